/* global atob, btoa, CustomEvent, MessageChannel, window */
// Runs in the preload's isolated world: `electron` as a preload knows it. `__standInBinding` reaches the stand-in's process.
globalThis.__standInElectron = (() => {
  if (window.top !== window) return undefined;
  const binding = globalThis.__standInBinding;
  const send = (message) => { binding(JSON.stringify(message)); };
  const exposed = new Map();
  let nextId = 1;

  const bytesToBase64 = (bytes) => {
    let text = '';
    for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    return btoa(text);
  };
  const encode = (value, crossing) => {
    if (value === undefined) return { $undefined: true };
    if (typeof value === 'function' && crossing) {
      exposed.set(nextId, value);
      return { $function: nextId++ };
    }
    if (value instanceof Promise && crossing) {
      const id = nextId++;
      value.then(
        (settled) => ({ id, value: encode(settled, true) }),
        (error) => ({ id, error: String(error?.message ?? error) }),
      ).then((settled) => { window.dispatchEvent(new CustomEvent('stand-in:settled', { detail: JSON.stringify(settled) })); });
      return { $promise: id };
    }
    if (typeof value === 'function') throw new TypeError('functions cannot be cloned');
    if (value instanceof Uint8Array) return { $bytes: bytesToBase64(value) };
    if (Array.isArray(value)) return value.map((element) => encode(element, crossing));
    if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, encode(member, crossing)]));
    return value;
  };
  const decode = (value) => {
    if (Array.isArray(value)) return value.map(decode);
    if (typeof value !== 'object' || value === null) return value;
    if ('$undefined' in value) return undefined;
    if ('$bytes' in value) return Uint8Array.from(atob(value.$bytes), (character) => character.charCodeAt(0));
    if ('$function' in value) {
      return (...args) => { window.dispatchEvent(new CustomEvent('stand-in:callback', { detail: JSON.stringify({ id: value.$function, args: encode(args, true) }) })); };
    }
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, decode(member)]));
  };

  window.addEventListener('stand-in:call', (event) => {
    const { id, args } = JSON.parse(event.detail);
    let answer;
    try {
      answer = { value: encode(exposed.get(id)(...decode(args)), true) };
    } catch (error) {
      answer = { error: String(error?.message ?? error) };
    }
    window.dispatchEvent(new CustomEvent('stand-in:answer', { detail: JSON.stringify(answer) }));
  });

  const listeners = new Map();
  const pending = new Map();
  const ports = new Map();
  const openPort = (id) => {
    const { port1, port2 } = new MessageChannel();
    ports.set(id, port2);
    port2.onmessage = ({ data }) => { send({ kind: 'port-message', port: id, data: encode(data, false) }); };
    port2.addEventListener('close', () => {
      if (ports.delete(id)) send({ kind: 'port-closed', port: id });
    });
    return port1;
  };
  globalThis.__standInDeliver = (message) => {
    switch (message.kind) {
      case 'answer': {
        const { resolve, reject } = pending.get(message.id);
        pending.delete(message.id);
        if (message.error === undefined) resolve(decode(message.value));
        else reject(new Error(message.error));
        break;
      }
      case 'event': {
        const event = { ports: message.ports.map(openPort) };
        for (const listener of [...(listeners.get(message.channel) ?? [])]) listener(event, ...decode(message.args));
        break;
      }
      case 'port-message':
        ports.get(message.port)?.postMessage(decode(message.data));
        break;
      case 'port-closed': {
        const port = ports.get(message.port);
        ports.delete(message.port);
        port?.postMessage({ $standInClosed: true });
        break;
      }
    }
  };

  return {
    contextBridge: {
      exposeInMainWorld(key, value) {
        window.dispatchEvent(new CustomEvent('stand-in:expose', { detail: JSON.stringify({ key, value: encode(value, true) }) }));
      },
    },
    // A page's files have no paths here.
    webUtils: { getPathForFile: ({ name }) => `/dropped/${name}` },
    ipcRenderer: {
      invoke(channel, ...args) {
        const id = nextId++;
        return new Promise((resolve, reject) => {
          pending.set(id, { resolve, reject });
          send({ kind: 'invoke', id, channel, args: encode(args, false) });
        });
      },
      on(channel, listener) {
        if (!listeners.has(channel)) listeners.set(channel, new Set());
        listeners.get(channel).add(listener);
      },
      off(channel, listener) {
        listeners.get(channel)?.delete(listener);
      },
    },
  };
})();
