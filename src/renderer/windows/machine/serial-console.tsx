import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Terminal } from '@xterm/xterm';
import type { ITheme } from '@xterm/xterm';
import { useEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import { useTranslation } from 'react-i18next';
import type { ConsoleKind, ConsoleUp } from '../../../shared/api.ts';
import type { Channel } from '../../channel.ts';
import { useApp } from '../../state/app-state.ts';
import { shownTheme } from '../../state/appearance.ts';
import type { Theme } from '../../state/appearance.ts';
import { AppButton } from '../../components/button.tsx';
import type { HostKey } from '../../input/guest-keyboard.ts';
import { showNotice } from '../../state/notices.ts';
import { useStore } from '../../state/store.ts';
import { ConsoleSearch } from './console-search.tsx';
import { download, timestamp } from '../../components/download.ts';

/** Wait before a console that ended is opened again. */
const REOPEN_MILLIS = 1000;
const SCROLLBACK_LINES = 5000;

const THEMES: Readonly<Record<Theme, ITheme>> = {
  light: {
    background: '#fdfcf9', foreground: '#23302d', cursor: '#1d5f56', cursorAccent: '#fdfcf9', selectionBackground: '#bfe0d6',
    black: '#23302d', red: '#a8322b', green: '#2b6e35', yellow: '#80590a', blue: '#275a9c', magenta: '#82408c', cyan: '#1c6a70', white: '#6d7572',
    brightBlack: '#5d6966', brightRed: '#b93c34', brightGreen: '#33793d', brightYellow: '#8a6210', brightBlue: '#2f67b0', brightMagenta: '#93499e', brightCyan: '#22777e', brightWhite: '#3a4744',
  },
  dark: {
    background: '#0f1615', foreground: '#dce4e1', cursor: '#ffce6b', cursorAccent: '#0f1615', selectionBackground: '#2d5a52',
    black: '#3a4643', red: '#ee8078', green: '#8ecb92', yellow: '#e8c46a', blue: '#8ab4ec', magenta: '#d19adb', cyan: '#77cdd2', white: '#dce4e1',
    brightBlack: '#84918d', brightRed: '#f79a93', brightGreen: '#a6dcaa', brightYellow: '#f5d68a', brightBlue: '#a6c8f5', brightMagenta: '#e0b2e8', brightCyan: '#97dfe3', brightWhite: '#ffffff',
  },
};

export interface SerialConsoleProps {
  readonly name: string;
  readonly kind: ConsoleKind;
  readonly hostKey: HostKey;
  /** Where in the window's bar the buttons of this view go. */
  readonly tools: HTMLElement | null;
  readonly onLeave: () => void;
}

export function SerialConsole({ name, kind, hostKey, tools, onLeave }: SerialConsoleProps) {
  const { t } = useTranslation();
  const { shell, connection } = useApp();
  const isConnected = useStore(connection) === 'connected';
  const theme = useStore(shownTheme);
  const place = useRef<HTMLDivElement>(null);
  const [terminal, setTerminal] = useState<Terminal>();
  const [search, setSearch] = useState<SearchAddon>();
  const [isSearching, setSearching] = useState(false);
  const [isOpen, setOpen] = useState(true);

  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const created = new Terminal({
      fontFamily: '"JetBrains Mono", "Cascadia Mono", "SF Mono", Menlo, "DejaVu Sans Mono", monospace', fontSize: 14, lineHeight: 1.15,
      scrollback: SCROLLBACK_LINES, cursorBlink: !window.matchMedia('(prefers-reduced-motion: reduce)').matches,
      screenReaderMode: true, theme: THEMES[shownTheme.value],
    });
    const fit = new FitAddon();
    created.loadAddon(fit);
    const finder = new SearchAddon();
    created.loadAddon(finder);
    setSearch(finder);
    created.open(element);
    const observer = new ResizeObserver(() => { fit.fit(); });
    observer.observe(element);
    // After the press of the tab, which takes the focus itself.
    const focus = setTimeout(() => { created.focus(); });
    setTerminal(created);
    return () => {
      clearTimeout(focus);
      observer.disconnect();
      created.dispose();
    };
  }, []);

  useEffect(() => { if (terminal !== undefined) terminal.options.theme = THEMES[theme]; }, [terminal, theme]);
  useEffect(() => { terminal?.textarea?.setAttribute('aria-label', t('machine.consoleLabel', { name })); }, [terminal, t, name]);

  useEffect(() => {
    if (terminal === undefined) return;
    const [leaveCode] = hostKey.split('+').slice(-1);
    terminal.attachCustomKeyEventHandler((event) => {
      if (event.ctrlKey && event.shiftKey && event.code === 'KeyF') {
        if (event.type === 'keydown') setSearching(true);
        return false;
      }
      if (event.code !== leaveCode || (hostKey.includes('+') && !event.ctrlKey)) return true;
      if (event.type === 'keyup') onLeave();
      return false;
    });
  }, [terminal, hostKey, onLeave]);

  useEffect(() => {
    if (terminal === undefined || !isConnected) return undefined;
    const encoder = new TextEncoder();
    let channel: Channel<ConsoleUp> | undefined;
    let reopen: ReturnType<typeof setTimeout> | undefined;
    let isEnded = false;
    const open = (): void => {
      if (isEnded) return;
      let isFirst = true;
      channel = shell.openConsole(kind, name, {
        message: ({ bytes, replay }) => {
          setOpen(true);
          // The scrollback comes whole with every new channel.
          if (replay && isFirst) terminal.reset();
          isFirst = false;
          terminal.write(bytes);
        },
        closed: () => {
          setOpen(false);
          reopen = setTimeout(open, REOPEN_MILLIS);
        },
      });
    };
    open();
    const onData = terminal.onData((text) => { channel?.send({ kind: 'serial-input', bytes: encoder.encode(text) }); });
    const onBinary = terminal.onBinary((text) => { channel?.send({ kind: 'serial-input', bytes: Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff) }); });
    return () => {
      isEnded = true;
      clearTimeout(reopen);
      onData.dispose();
      onBinary.dispose();
      channel?.close();
    };
  }, [terminal, shell, kind, name, isConnected]);

  const save = (): void => {
    const buffer = terminal?.buffer.normal;
    if (buffer === undefined) return;
    const lines: string[] = [];
    for (let index = 0; index < buffer.length; index++) {
      const line = buffer.getLine(index);
      const text = line?.translateToString(true) ?? '';
      // A line that the terminal wrapped is one line of the guest's.
      if (line?.isWrapped === true) lines.push((lines.pop() ?? '') + text);
      else lines.push(text);
    }
    const file = `${name} ${kind} ${timestamp(new Date())}.log`;
    download(file, new Blob([`${lines.join('\n').trimEnd()}\n`], { type: 'text/plain' }));
    showNotice({ kind: 'info', text: t('machine.consoleSaved', { file }) });
  };

  return (
    <section className="console-view" aria-label={t('machine.consoleLabel', { name })}>
      {tools === null ? null : createPortal(
        <>
          <AppButton label={t('machine.searchConsole')} icon="search" iconOnly kind="quiet" onPress={() => { setSearching(!isSearching); }} />
          <AppButton label={t('machine.saveConsole')} icon="save" iconOnly kind="quiet" onPress={save} />
        </>, tools)}
      {isSearching && search !== undefined ? <ConsoleSearch search={search} onClose={() => { setSearching(false); terminal?.focus(); }} /> : null}
      <div ref={place} className="console-terminal" />
      <p className="machine-status"><span role="status">{isOpen ? t('machine.consoleHint', { hostKey: t(`hostKey.${hostKey}`) }) : t('machine.consoleClosed')}</span></p>
    </section>
  );
}
