import { useEffect, useId, useRef, useState } from 'react';
import type { RefObject } from 'react';
import { createPortal } from 'react-dom';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import { AppButton } from '../../components/button.tsx';
import { Icon } from '../../components/icon.tsx';
import { MenuButton } from '../../components/menu-button.tsx';
import { placeScreen, SCALINGS } from '../../display/place-screen.ts';
import type { Extent, Scaling } from '../../display/place-screen.ts';
import { isOn, useDisplay } from '../../display/use-display.ts';
import { chord, SPECIAL_KEYS } from '../../input/guest-keyboard.ts';
import type { SpecialKey } from '../../input/guest-keyboard.ts';
import { useGuestInput } from '../../input/use-guest-input.ts';
import { useApp } from '../../state/app-state.ts';
import { showNotice } from '../../state/notices.ts';
import { useStore } from '../../state/store.ts';
import { ScreenOverlay } from './screen-overlay.tsx';
import { useFullscreen } from './use-fullscreen.ts';

const SCALING_TEXT = { fit: 'machine.scaleFit', whole: 'machine.scaleWhole', original: 'machine.scaleOriginal' } as const satisfies Record<Scaling, string>;

/** `tools`: where in the window's bar the buttons of this view go. */
export function GuestScreen({ entry, tools }: { readonly entry: LibraryEntry; readonly tools: HTMLElement | null }) {
  const { t } = useTranslation();
  const app = useApp();
  const { client } = app.shell;
  const { hostKey } = useStore(app.preferences);
  const hostKeyName = t(`hostKey.${hostKey}`);
  const { name, status: { state } } = entry;
  const canvas = useRef<HTMLCanvasElement>(null);
  const surface = useRef<HTMLDivElement>(null);
  const room = useRef<HTMLDivElement>(null);
  const hint = useId();
  const { size, channel } = useDisplay(canvas, name, state, 0);
  const space = useExtent(room);
  const [scaling, setScaling] = useState<Scaling>('fit');
  const fullscreen = useFullscreen();
  const canType = state === 'running';

  const sendKeys = (keys: SpecialKey): void => {
    channel.current?.send({ kind: 'keys', events: chord(SPECIAL_KEYS[keys]) });
    if (input.grab !== 'captured') input.take(false);
  };
  const hostActions: Readonly<Record<string, () => void>> = {
    KeyF: fullscreen.toggle,
    KeyP: () => { void (state === 'paused' ? app.resume(name) : app.pause(name)); },
    Delete: () => { sendKeys('ctrlAltDelete'); },
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
    download(file, answer.value.png);
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
  const typeClipboard = async (): Promise<void> => {
    try {
      const text = await navigator.clipboard.readText();
      channel.current?.send({ kind: 'type-text', text });
      input.take(false);
    } catch {
      showNotice({ kind: 'warning', text: t('machine.clipboardUnreadable') });
    }
  };

  const placement = size === undefined || space === undefined ? undefined : placeScreen(size, space, window.devicePixelRatio, scaling);
  const hasPicture = size !== undefined;
  const statusText = !canType ? '' : input.grab === 'captured' ? t('machine.hintCaptured', { hostKey: hostKeyName })
    : input.grab === 'keyboard' ? t('machine.hintKeyboard', { hostKey: hostKeyName }) : t('machine.hintIdle');

  const toolButtons = (
    <>
      <MenuButton label={t('machine.keys')} icon="keyboard" kind="quiet" canLoseLabel isDisabled={!canType} groups={[
        (Object.keys(SPECIAL_KEYS) as SpecialKey[]).map((keys) => ({ id: keys, label: t(`machine.key.${keys}`), onAction: () => { sendKeys(keys); } })),
        [{ id: 'clipboard', label: t('machine.typeClipboard'), icon: 'note', onAction: () => { void typeClipboard(); } }],
      ]} />
      <MenuButton label={t('machine.view')} icon="sliders" iconOnly kind="quiet" groups={[
        SCALINGS.map((one) => ({ id: one, label: t(SCALING_TEXT[one]), isChosen: one === scaling, onAction: () => { setScaling(one); } })),
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
            onPointerDown={(event) => { if (input.grab !== 'captured' && event.button === 0 && event.pointerType === 'mouse') input.take(true); else if (input.grab === 'idle') input.take(false); }}
            onKeyDown={(event) => { if (input.grab === 'idle' && (event.code === 'Enter' || event.code === 'Space')) { event.preventDefault(); input.take(false); } }}
            onContextMenu={(event) => { event.preventDefault(); }}>
            <canvas ref={canvas} className="guest-canvas" data-testid="guest-canvas" width={1} height={1} hidden={!hasPicture} data-crisp={placement?.isCrisp ?? true} data-paused={state === 'paused'} />
          </div>
        </div>
        <ScreenOverlay entry={entry} hasPicture={hasPicture} />
        {input.grab === 'captured' || (fullscreen.isFullscreen && canType) ? (
          <p className="capture-chip" key={`${input.grab}${fullscreen.isFullscreen}`} aria-hidden="true">
            <Icon name="keyboard" size={16} />{input.grab === 'captured' ? t('machine.capturedShort', { hostKey: hostKeyName }) : t('machine.fullscreenShort', { hostKey: hostKeyName })}
          </p>
        ) : null}
      </div>
      <p className="machine-status">
        <span role="status"><span className="grab-light" data-grab={input.grab} aria-hidden="true" />{statusText}</span>
        <span id={hint} className="visually-hidden">{t('machine.screenHelp', { hostKey: hostKeyName })}</span>
        <span className="machine-resolution">{size === undefined ? '' : t('machine.resolution', { width: size.width, height: size.height })}{placement === undefined ? '' : ` · ${Math.round(placement.scale * 100)} %`}</span>
      </p>
    </section>
  );
}

/** Centred on a whole host pixel, or the host smears what was crisp. */
function surfaceStyle({ width, height }: Extent, space: Extent): { width: number; height: number; left: number; top: number } {
  const snap = (length: number): number => Math.max(0, Math.round((length / 2) * window.devicePixelRatio) / window.devicePixelRatio);
  return { width, height, left: snap(space.width - width), top: snap(space.height - height) };
}

function useExtent(element: RefObject<HTMLElement | null>): Extent | undefined {
  const [extent, setExtent] = useState<Extent>();
  useEffect(() => {
    const observed = element.current;
    if (observed === null) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setExtent({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(observed);
    return () => { observer.disconnect(); };
  }, [element]);
  return extent;
}

/** `2026-11-23 14.05.09`: local time that is a file name everywhere. */
function timestamp(time: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}.${two(time.getMinutes())}.${two(time.getSeconds())}`;
}

function download(file: string, png: Uint8Array): void {
  const address = URL.createObjectURL(new Blob([Uint8Array.from(png)], { type: 'image/png' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = file;
  link.click();
  setTimeout(() => { URL.revokeObjectURL(address); }, 10_000);
}
