/** A bundle before its machine runs: who signed it, what it may touch of this computer, and what it is. */
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { TFunction } from 'i18next';
import type { BundleFacts, Signer, Touch } from '../../../shared/bundle.ts';
import type { MachineError } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon } from '../../components/icon.tsx';
import type { IconName } from '../../components/icon.tsx';
import { TextInput } from '../../components/text-input.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { isOn } from '../../display/use-display.ts';
import { useApp } from '../../state/app-state.ts';
import { go } from '../../state/route.ts';
import { useJob } from '../exchange/use-job.tsx';
import './bundle.css';

export function BundleDialog({ path, onClose, onImported }: { readonly path: string; readonly onClose: () => void; readonly onImported: (name: string) => void }) {
  const { t } = useTranslation();
  const app = useApp();
  const { client } = app.shell;
  const job = useJob(t('exchange.importing'));
  const [facts, setFacts] = useState<BundleFacts>();
  const [error, setError] = useState<MachineError>();
  const [signerName, setSignerName] = useState('');
  const [isOpening, setOpening] = useState(false);
  const name = path.split(/[\\/]/).at(-1)!;

  const run = async (agreed: BundleFacts): Promise<void> => {
    setOpening(true);
    setError(undefined);
    const opened = await remembered(agreed) ? await client.library.openBundle({ path, manifestSha256: agreed.manifestSha256 }) : undefined;
    if (opened?.ok !== true) {
      if (opened !== undefined) setError(opened.error);
      setOpening(false);
      return;
    }
    const { name: machine, status } = opened.value;
    const started = isOn(status.state) ? Promise.resolve(true) : app.start(machine);
    await app.refreshLibrary();
    const runs = await started;
    go(runs ? { window: 'machine', machine } : { window: 'manager', selected: machine });
  };
  const importIt = async (agreed: BundleFacts): Promise<void> => {
    if (!await remembered(agreed)) return;
    const made = await job.run((id) => client.library.import({ path, manifestSha256: agreed.manifestSha256, id }));
    if (made !== undefined) onImported(made.name);
  };
  const remembered = async ({ signer }: BundleFacts): Promise<boolean> => {
    if (signer.kind !== 'unknown' || signerName.trim() === '') return true;
    const answer = await client.signers.remember({ publicKey: signer.publicKey, name: signerName.trim() });
    if (!answer.ok) setError(answer.error);
    return answer.ok;
  };

  // Who has agreed once isn't asked again: what is open goes on.
  const goOn = useRef(run);
  goOn.current = run;
  useEffect(() => {
    let isCurrent = true;
    void client.library.inspectBundle({ path }).then((answer) => {
      if (!isCurrent) return;
      if (!answer.ok) setError(answer.error);
      else if (answer.value.openAs !== undefined) void goOn.current(answer.value);
      else setFacts(answer.value);
    });
    return () => { isCurrent = false; };
  }, [client, path]);

  const isBusy = isOpening || job.isRunning;
  const isTrusted = facts?.signer.kind === 'own' || facts?.signer.kind === 'known';
  return (
    <AppDialog title={t('bundle.title', { name })} width="wide" onClose={onClose}>
      {facts === undefined && error === undefined ? <p className="dialog-text" role="status">{t('bundle.looking')}</p> : null}
      {facts === undefined ? null : <FactList facts={facts} />}
      {facts?.signer.kind === 'unknown' ? <TextInput label={t('bundle.rememberSigner')} hint={t('bundle.rememberSignerHint')} value={signerName} onChange={setSignerName} isDisabled={isBusy} /> : null}
      {facts === undefined || facts.runsInPlace ? null : <p className="dialog-text">{t('bundle.mustImport')}</p>}
      {job.shown}
      {error === undefined ? null : <ErrorNotice error={error} />}
      <footer className="dialog-footer">
        <AppButton label={t('app.cancel')} kind="quiet" autoFocus={!isTrusted} onPress={onClose} />
        {facts === undefined ? null : (
          <>
            <AppButton label={t('exchange.import')} kind={facts.runsInPlace ? 'plain' : 'primary'} isDisabled={isBusy} onPress={() => { void importIt(facts); }} />
            {facts.runsInPlace ? <AppButton label={t('bundle.run')} icon="play" kind="primary" autoFocus={isTrusted} isDisabled={isBusy} isPending={isOpening} onPress={() => { void run(facts); }} /> : null}
          </>
        )}
      </footer>
    </AppDialog>
  );
}

function FactList({ facts: { signer, touches, bytes, unpackedBytes, config, snapshots, hasSavedState } }: { readonly facts: BundleFacts }) {
  const { t, i18n } = useTranslation();
  const size = (of: number): string => formatBytes(of, i18n.language);
  return (
    <>
      <section className={`bundle-signer bundle-signer-${signer.kind}`} aria-label={t('bundle.signature')}>
        <Icon name={signer.kind === 'unsigned' || signer.kind === 'unknown' ? 'alert' : 'shield'} size={22} />
        <div>
          <strong>{signer.kind === 'known' ? t('bundle.signedBy.known', { name: signer.name }) : t(`bundle.signedBy.${signer.kind}`)}</strong>
          <p>{t(`bundle.signerHint.${signer.kind}`)}</p>
          <Fingerprint signer={signer} />
        </div>
      </section>
      <section aria-label={t('bundle.mayTouch')}>
        <h3>{t('bundle.mayTouch')}</h3>
        <ul className="bundle-touches">
          {touches.map((touch) => <li key={touchText(touch, t)} className={isGrave(touch) ? 'bundle-touch-grave' : undefined}><Icon name={touchIcon(touch)} size={18} /><span>{touchText(touch, t)}</span></li>)}
          <li><Icon name="disk" size={18} /><span>{t(touches.length === 0 ? 'bundle.touchesNothing' : 'bundle.touchesNoFiles')}</span></li>
        </ul>
      </section>
      <dl className="bundle-facts">
        <div><dt>{t('bundle.size')}</dt><dd>{t('bundle.sizes', { file: size(bytes), unpacked: size(unpackedBytes) })}</dd></div>
        <div><dt>{t('manager.memory')}</dt><dd>{size(config.memoryBytes)}</dd></div>
        <div><dt>{t('bundle.begins')}</dt><dd>{t(hasSavedState ? 'bundle.goesOn' : 'bundle.startsAnew')}{snapshots === 0 ? null : ` ${t('bundle.snapshots', { number: snapshots })}`}</dd></div>
      </dl>
      <p className="dialog-text">{t('bundle.inPlace')}</p>
    </>
  );
}

function Fingerprint({ signer }: { readonly signer: Signer }) {
  return signer.kind === 'unsigned' ? null : <p className="path">{signer.fingerprint}</p>;
}

/** It leads to this computer itself, or in from outside. */
function isGrave(touch: Touch): boolean {
  return (touch.kind === 'target' && touch.host === 'loopback') || (touch.kind === 'forward' && touch.isOpen);
}

function touchIcon({ kind }: Touch): IconName {
  return kind === 'forward' ? 'cable' : 'network';
}

function touchText(touch: Touch, t: TFunction): string {
  switch (touch.kind) {
    case 'internet': return t('bundle.touch.internet');
    case 'machines': return t('bundle.touch.machines', { network: touch.network });
    case 'target': {
      const { host, port } = touch;
      if (host === 'loopback') return port === undefined ? t('bundle.touch.loopback') : t('bundle.touch.loopbackPort', { port });
      return port === undefined ? host : `${host}:${port}`;
    }
    case 'forward': return t(touch.isOpen ? 'bundle.touch.openForward' : 'bundle.touch.forward', { port: `${touch.protocol.toUpperCase()} ${touch.address}:${touch.port}` });
  }
}
