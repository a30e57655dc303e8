/** What lies over a guest's screen when there is something to say about the machine. */
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import { AppButton } from '../../components/button.tsx';
import { CrashReport } from '../../components/crash-report.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { errorText } from '../../components/error-text.ts';
import { Icon } from '../../components/icon.tsx';
import { ConfirmPowerOff, ConfirmReset } from '../../dialogs/confirm/confirm-dialogs.tsx';
import { isOn } from '../../display/use-display.ts';
import { useApp } from '../../state/app-state.ts';
import { useStore } from '../../state/store.ts';

export function ScreenOverlay({ entry, hasPicture }: { readonly entry: LibraryEntry; readonly hasPicture: boolean }) {
  const { t } = useTranslation();
  const app = useApp();
  const { name, status, broken } = entry;
  const isBusy = useStore(app.busy).has(name);
  const start = (): void => { void app.start(name); };

  if (broken !== undefined) return <div className="overlay"><div className="overlay-card"><ErrorNotice error={broken} title={t('manager.brokenTitle')}><p>{t('manager.brokenText')}</p></ErrorNotice></div></div>;
  if (status.state === 'crashed' && status.crash !== undefined) {
    return (
      <div className="overlay">
        <div className="overlay-card overlay-card-wide">
          <CrashReport entry={entry} hint={t('machine.crashedText')} />
          <AppButton label={t('action.startAgain')} icon="play" kind="primary" isPending={isBusy} onPress={start} />
        </div>
      </div>
    );
  }
  if (!isOn(status.state)) {
    return (
      <div className="overlay">
        <div className="overlay-card">
          <span className="overlay-icon"><Icon name="screen" size={40} /></span>
          <h2>{t('machine.offTitle', { name })}</h2>
          <p>{t('machine.offText')}</p>
          <AppButton label={t('action.start')} icon="play" kind="primary" isPending={isBusy} onPress={start} />
        </div>
      </div>
    );
  }
  if (status.state === 'paused') {
    return (
      <div className="overlay overlay-sheer">
        <div className="overlay-card">
          <span className="overlay-icon"><Icon name="pause" size={36} /></span>
          <h2>{t('machine.pausedTitle')}</h2>
          {status.diskTrouble === undefined ? <p>{t('machine.pausedText')}</p> : <ErrorNotice error={status.diskTrouble} />}
          <AppButton label={t('action.resume')} icon="play" kind="primary" isPending={isBusy} onPress={() => { void app.resume(name); }} />
        </div>
      </div>
    );
  }
  return (
    <>
      {status.state === 'stopping' ? <Waiting text={t('machine.stoppingTitle')} /> : hasPicture ? null : <Waiting text={t(status.state === 'starting' ? 'machine.startingTitle' : 'machine.waitingForScreen')} />}
      <Trouble entry={entry} />
    </>
  );
}

function Waiting({ text }: { readonly text: string }) {
  return <div className="overlay overlay-sheer" role="status"><span className="spinner" aria-hidden="true" /><p>{text}</p></div>;
}

/** A machine that is on and yet not well: said over the screen's upper edge, so that nothing moves. */
function Trouble({ entry: { name, status } }: { readonly entry: LibraryEntry }) {
  const { t, i18n } = useTranslation();
  const [question, setQuestion] = useState<'power-off' | 'reset'>();
  const close = (): void => { setQuestion(undefined); };
  const trouble = status.diskTrouble === undefined ? undefined : errorText(status.diskTrouble, t, i18n.language);
  const text = status.unresponsive ? t('machine.unresponsiveText')
    : trouble !== undefined ? `${trouble.title}. ${trouble.text}`
    : status.resetLoop ? t('machine.resetLoopText', { number: status.resetsInLastMinute })
    : status.haltedForever ? t('machine.haltedText') : undefined;
  if (text === undefined) return null;
  return (
    <div className="trouble notice notice-warning" role="alert">
      <Icon name="alert" />
      <div className="notice-body"><p>{text}</p></div>
      <div className="trouble-actions">
        {status.haltedForever && !status.unresponsive ? <AppButton label={t('action.reset')} icon="reset" onPress={() => { setQuestion('reset'); }} /> : null}
        <AppButton label={t('action.powerOff')} icon="power" kind="danger" onPress={() => { setQuestion('power-off'); }} />
      </div>
      {question === 'power-off' ? <ConfirmPowerOff name={name} onClose={close} /> : null}
      {question === 'reset' ? <ConfirmReset name={name} onClose={close} /> : null}
    </div>
  );
}
