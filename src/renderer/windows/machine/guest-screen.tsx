import { useEffect, useId, useRef, useState } from 'react';
import type { RefObject } from 'react';
import { createPortal } from 'react-dom';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import { AppButton } from '../../components/button.tsx';
import { Icon } from '../../components/icon.tsx';
import { MenuButton } from '../../components/menu-button.tsx';
import { TypeTextDialog } from '../../dialogs/type-text/type-text-dialog.tsx';
import { SCALINGS } from '../../../shared/machine-config.ts';
import type { KeyboardLayout, Scaling } from '../../../shared/machine-config.ts';
import { placeScreen } from '../../display/place-screen.ts';
import type { Extent } from '../../display/place-screen.ts';
import { isOn, useDisplay } from '../../display/use-display.ts';
import { chord, SPECIAL_KEYS } from '../../input/guest-keyboard.ts';
import type { SpecialKey } from '../../input/guest-keyboard.ts';
import { keyName } from '../../input/key-name.ts';
import { useGuestInput } from '../../input/use-guest-input.ts';
import { useApp } from '../../state/app-state.ts';
import { showNotice } from '../../state/notices.ts';
import { useStore } from '../../state/store.ts';
import { download, timestamp } from '../../components/download.ts';
import { OnScreenKeyboard } from './on-screen-keyboard.tsx';
import { ScreenOverlay } from './screen-overlay.tsx';
import { StatusBar } from './status-bar.tsx';
import { useFullscreen } from './use-fullscreen.ts';

/** By then a menu or dialog is gone and has given the focus back to where it was. */
const MENU_CLOSED_MILLIS = 250;

/** Of a machine that is broken. */
const DEFAULTS = { display: { adapter: 'stdvga', scaling: 'fit' }, input: { keyboardLayout: 'us', hostKey: undefined, captureOnClick: true } } as const;

/** `tools`: where in the window's bar the buttons of this view go. */
export function GuestScreen({ entry, tools }: { readonly entry: LibraryEntry; readonly tools: HTMLElement | null }) {
  const { t } = useTranslation();
  const app = useApp();
  const { client } = app.shell;
  const preferences = useStore(app.preferences);
  const config = entry.config ?? DEFAULTS;
  const { keyboardLayout, captureOnClick } = config.input;
  const hostKey = config.input.hostKey ?? preferences.hostKey;
  const { shortcuts } = preferences;
  const hostKeyName = t(`hostKey.${hostKey}`);
  const { name, status: { state } } = entry;
  const canvas = useRef<HTMLCanvasElement>(null);
  const surface = useRef<HTMLDivElement>(null);
  const room = useRef<HTMLDivElement>(null);
  const hint = useId();
  const { size, channel } = useDisplay(canvas, name, state, 0);
  const space = useRoom(room);
  const { scaling } = config.display;
  const [isTyping, setTyping] = useState(false);
  const [hasKeyboard, setKeyboard] = useState(false);
  const fullscreen = useFullscreen();
  const canType = state === 'running';

  const sendKeys = (keys: SpecialKey): void => {
    channel.current?.send({ kind: 'keys', events: chord(SPECIAL_KEYS[keys]) });
    if (input.grab !== 'captured') input.take(false);
  };
  const hostActions: Readonly<Record<string, () => void>> = {
    [shortcuts.fullscreen]: fullscreen.toggle,
    [shortcuts.pause]: () => { void (state === 'paused' ? app.resume(name) : app.pause(name)); },
    [shortcuts.ctrlAltDelete]: () => { sendKeys('ctrlAltDelete'); },
  };
  const input = useGuestInput({ surface, channel, hostKey, isEnabled: canType, onHostCombination: (code) => { hostActions[code]?.(); } });

  // A machine that is opened, or has just started, is there to be typed at.
  const { take } = input;
  useEffect(() => {
    // After the press of the button or tab that led here, which takes the focus itself.
    const focus = setTimeout(() => { if (canType && document.querySelector('.modal') === null) take(false); });
    return () => { clearTimeout(focus); };
  }, [canType, take]);

  const screenshot = async (): Promise<void> => {
    const answer = await client.machines.screenshot({ name });
    if (!answer.ok) {
      showNotice({ kind: 'error', error: answer.error });
      return;
    }
    const file = `${name} ${timestamp(new Date())}.png`;
    download(file, new Blob([Uint8Array.from(answer.value.png)], { type: 'image/png' }));
    showNotice({ kind: 'info', text: t('machine.screenshotSaved', { file }) });
  };
  const copyText = async (): Promise<void> => {
    const answer = await client.machines.screenText({ name });
    if (!answer.ok) {
      showNotice({ kind: 'error', error: answer.error });
      return;
    }
    const { rows } = answer.value;
    if (rows !== undefined) await navigator.clipboard.writeText(rows.map((row) => row.trimEnd()).join('\n'));
    showNotice({ kind: 'info', text: t(rows === undefined ? 'machine.noText' : 'machine.textCopied') });
  };
  const typeText = (text: string, layout: KeyboardLayout): void => {
    channel.current?.send({ kind: 'type-text', text, layout });
    setTimeout(() => { input.take(false); }, MENU_CLOSED_MILLIS);
  };
  const typeClipboard = async (): Promise<void> => {
    try {
      typeText(await navigator.clipboard.readText(), keyboardLayout);
    } catch {
      showNotice({ kind: 'warning', text: t('machine.clipboardUnreadable') });
    }
  };
  const setScaling = async (wanted: Scaling): Promise<void> => {
    const answer = await client.library.change({ name, changes: { display: { ...config.display, scaling: wanted } } });
    if (!answer.ok) showNotice({ kind: 'error', error: answer.error });
  };

  const placement = size === undefined || space === undefined ? undefined : placeScreen(size, space, window.devicePixelRatio, scaling);
  const hasPicture = size !== undefined;
  const statusText = !canType ? '' : input.grab === 'captured' ? t('machine.hintCaptured', { hostKey: hostKeyName })
    : input.grab === 'keyboard' ? t(captureOnClick ? 'machine.hintKeyboard' : 'machine.hintKeyboardOnly', { hostKey: hostKeyName }) : t('machine.hintIdle');

  const toolButtons = (
    <>
      <MenuButton label={t('machine.keys')} icon="keyboard" kind="quiet" canLoseLabel isDisabled={!canType} groups={[
        (Object.keys(SPECIAL_KEYS) as SpecialKey[]).map((keys) => ({ id: keys, label: t(`machine.key.${keys}`), onAction: () => { sendKeys(keys); } })),
        [
          { id: 'clipboard', label: t('machine.typeClipboard'), icon: 'note', onAction: () => { void typeClipboard(); } },
          { id: 'text', label: t('machine.typeText'), icon: 'note', onAction: () => { setTyping(true); } },
          { id: 'keyboard', label: t('machine.onScreenKeyboard'), icon: 'keyboard', isChosen: hasKeyboard, onAction: () => { setKeyboard(!hasKeyboard); } },
          { id: 'capture', label: t('machine.captureMouse'), icon: 'mouse', onAction: () => { setTimeout(() => { input.take(true); }, MENU_CLOSED_MILLIS); } },
        ],
      ]} />
      <MenuButton label={t('machine.view')} icon="sliders" iconOnly kind="quiet" groups={[
        SCALINGS.map((one) => ({ id: one, label: t(`machine.scale.${one}`), isChosen: one === scaling, onAction: () => { void setScaling(one); } })),
        [{ id: 'copy', label: t('machine.copyText'), icon: 'note', isDisabled: !isOn(state), onAction: () => { void copyText(); } }],
      ]} />
      <AppButton label={t('machine.screenshot')} icon="camera" iconOnly kind="quiet" isDisabled={!isOn(state)} onPress={() => { void screenshot(); }} />
      <AppButton label={t(fullscreen.isFullscreen ? 'machine.leaveFullscreen' : 'machine.fullscreen')} icon={fullscreen.isFullscreen ? 'shrink' : 'expand'} iconOnly kind="quiet" onPress={fullscreen.toggle} />
    </>
  );

  return (
    <section className="screen-view" data-fullscreen={fullscreen.isFullscreen}>
      {tools === null ? null : createPortal(toolButtons, tools)}
      <div className="stage" data-grab={input.grab}>
        <div ref={room} className="room" data-scaling={scaling}>
          <div ref={surface} className="surface" role="application" aria-label={t('machine.screen', { name })} aria-describedby={hint} tabIndex={canType ? 0 : -1}
            style={placement === undefined || space === undefined ? undefined : surfaceStyle(placement, space)}
            onPointerDown={(event) => { if (input.grab !== 'captured' && event.button === 0 && event.pointerType === 'mouse') input.take(captureOnClick); else if (input.grab === 'idle') input.take(false); }}
            onKeyDown={(event) => { if (input.grab === 'idle' && (event.code === 'Enter' || event.code === 'Space')) { event.preventDefault(); input.take(false); } }}
            onContextMenu={(event) => { event.preventDefault(); }}>
            <canvas ref={canvas} className="guest-canvas" data-testid="guest-canvas" width={1} height={1} hidden={!hasPicture} data-crisp={placement?.isCrisp ?? true} data-paused={state === 'paused'} />
          </div>
        </div>
        <ScreenOverlay entry={entry} hasPicture={hasPicture} />
        {input.grab === 'captured' || (fullscreen.isFullscreen && canType) ? (
          <p className="capture-chip" key={`${input.grab}${fullscreen.isFullscreen}`} aria-hidden="true">
            <Icon name="keyboard" size={16} />{input.grab === 'captured' ? t('machine.capturedShort', { hostKey: hostKeyName }) : t('machine.fullscreenShort', { hostKey: hostKeyName, key: keyName(shortcuts.fullscreen) })}
          </p>
        ) : null}
      </div>
      {hasKeyboard && canType ? <OnScreenKeyboard layout={keyboardLayout} onKeys={(events) => { channel.current?.send({ kind: 'keys', events }); }} /> : null}
      <div className="machine-status">
        <span role="status"><span className="grab-light" data-grab={input.grab} aria-hidden="true" />{statusText}</span>
        <span id={hint} className="visually-hidden">{t('machine.screenHelp', { hostKey: hostKeyName })}</span>
        <StatusBar entry={entry} />
        <span className="machine-resolution">{size === undefined ? '' : t('machine.resolution', { width: size.width, height: size.height })}{placement === undefined ? '' : ` · ${Math.round(placement.scale * 100)} %`}</span>
      </div>
      {isTyping ? <TypeTextDialog layout={keyboardLayout} onClose={() => { setTyping(false); }} onType={typeText} /> : null}
    </section>
  );
}

/** Centred on a whole host pixel, or the host smears what was crisp. */
function surfaceStyle({ width, height }: Extent, space: Room): { width: number; height: number; left: number; top: number } {
  const snap = (spare: number, origin: number): number => Math.round((origin + Math.max(0, spare / 2)) * window.devicePixelRatio) / window.devicePixelRatio - origin;
  return { width, height, left: snap(space.width - width, space.x), top: snap(space.height - height, space.y) };
}

/** Its place in the window need not be a whole host pixel. */
interface Room extends Extent { readonly x: number; readonly y: number }

function useRoom(element: RefObject<HTMLElement | null>): Room | undefined {
  const [space, setSpace] = useState<Room>();
  useEffect(() => {
    const observed = element.current;
    if (observed === null) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry === undefined) return;
      const { x, y } = observed.getBoundingClientRect();
      setSpace({ x: x + entry.contentRect.x, y: y + entry.contentRect.y, width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(observed);
    return () => { observer.disconnect(); };
  }, [element]);
  return space;
}
