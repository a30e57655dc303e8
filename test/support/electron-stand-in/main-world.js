/* global atob, btoa, CustomEvent, Event, MessagePort, window */
// Runs in the page's own world before its scripts: makes what the isolated world exposes. The worlds share the DOM only, so
// calls cross as events with JSON, synchronously, as through Electron's context bridge.
(() => {
  if (window.top !== window) return;
  const functions = new Map();
  const promises = new Map();
  let nextFunction = 1;
  const encode = (value) => {
    if (value === undefined) return { $undefined: true };
    if (typeof value === 'function') {
      functions.set(nextFunction, value);
      return { $function: nextFunction++ };
    }
    if (value instanceof Uint8Array) return { $bytes: btoa(Array.from(value, (byte) => String.fromCharCode(byte)).join('')) };
    if (Array.isArray(value)) return value.map(encode);
    if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, encode(member)]));
    return value;
  };
  const decode = (value) => {
    if (Array.isArray(value)) return value.map(decode);
    if (typeof value !== 'object' || value === null) return value;
    if ('$undefined' in value) return undefined;
    if ('$bytes' in value) return Uint8Array.from(atob(value.$bytes), (character) => character.charCodeAt(0));
    if ('$function' in value) return (...args) => call(value.$function, args);
    if ('$promise' in value) return new Promise((resolve, reject) => { promises.set(value.$promise, { resolve, reject }); });
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, decode(member)]));
  };
  let answer;
  const call = (id, args) => {
    answer = undefined;
    window.dispatchEvent(new CustomEvent('stand-in:call', { detail: JSON.stringify({ id, args: encode(args) }) }));
    const { value, error } = JSON.parse(answer);
    if (error !== undefined) throw new Error(error);
    return decode(value);
  };
  window.addEventListener('stand-in:answer', (event) => { answer = event.detail; });
  window.addEventListener('stand-in:callback', (event) => {
    const { id, args } = JSON.parse(event.detail);
    functions.get(id)?.(...decode(args));
  });
  window.addEventListener('stand-in:settled', (event) => {
    const { id, value, error } = JSON.parse(event.detail);
    const promise = promises.get(id);
    promises.delete(id);
    if (error === undefined) promise?.resolve(decode(value));
    else promise?.reject(new Error(error));
  });
  // Electron's MessagePorts tell when their other end closes, Chromium's don't: a last message stands for it.
  window.addEventListener('message', ({ ports }) => {
    for (const port of ports) {
      port.addEventListener('message', (event) => {
        if (event.data?.$standInClosed !== true) return;
        event.stopImmediatePropagation();
        port.close();
        const closed = new Event('close');
        port.dispatchEvent(closed);
        if (!('onclose' in MessagePort.prototype)) port.onclose?.(closed);
      });
    }
  }, { capture: true });
  window.addEventListener('stand-in:expose', (event) => {
    const { key, value } = JSON.parse(event.detail);
    Object.defineProperty(window, key, { value: Object.freeze(decode(value)), enumerable: true });
  });
})();
