import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { BundledGuest, LibraryEntry } from '../../../shared/api.ts';
import { AppButton } from '../../components/button.tsx';
import { Icon } from '../../components/icon.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { showNotice } from '../../state/notices.ts';
import { go } from '../../state/route.ts';
import { useStore } from '../../state/store.ts';

/** What a machine is, and two ways to a first one. `readyMade`: the machine of the bundled guest, where it is there already. */
export function FirstRun({ readyMade, onNewMachine }: { readonly readyMade: LibraryEntry | undefined; readonly onNewMachine: () => void }) {
  const { t, i18n } = useTranslation();
  const app = useApp();
  const [guest] = useStore(app.guests);
  const { hostKey } = useStore(app.preferences);
  const [isPreparing, setPreparing] = useState(false);

  const tryGuest = async ({ id }: BundledGuest): Promise<void> => {
    setPreparing(true);
    const name = readyMade?.name ?? await create(id);
    if (name !== undefined) {
      go({ window: 'machine', machine: name });
      await app.start(name);
    }
    setPreparing(false);
  };

  const create = async (id: string): Promise<string | undefined> => {
    const created = await app.shell.client.library.createFromBundledGuest({ id });
    if (!created.ok) {
      showNotice({ kind: 'error', error: created.error });
      return undefined;
    }
    await app.refreshLibrary();
    return created.value.name;
  };

  return (
    <section className="first-run" aria-labelledby="first-run-title">
      <div className="first-run-intro">
        <h2 id="first-run-title">{t('firstRun.title')}</h2>
        <p>{t('firstRun.text')}</p>
      </div>
      <div className="first-run-ways">
        {guest === undefined ? null : (
          <div className="way way-main">
            <span className="way-icon"><Icon name="sparkle" size={24} /></span>
            <h3>{t('firstRun.bundledTitle', { title: guest.title })}</h3>
            <p>{t('firstRun.bundledText')}</p>
            <p className="way-facts">{t('firstRun.bundledFacts', { memory: formatBytes(guest.memoryBytes, i18n.language), disk: formatBytes(guest.diskBytes, i18n.language) })}</p>
            <AppButton label={isPreparing ? t('firstRun.preparing', { title: guest.title }) : t('firstRun.tryIt', { title: guest.title })} icon="play" kind="primary" isPending={isPreparing} onPress={() => { void tryGuest(guest); }} />
          </div>
        )}
        <div className="way">
          <span className="way-icon"><Icon name="disc" size={24} /></span>
          <h3>{t('firstRun.ownTitle')}</h3>
          <p>{t('firstRun.ownText')}</p>
          <AppButton label={t('firstRun.makeOwn')} icon="plus" onPress={onNewMachine} />
        </div>
      </div>
      <p className="first-run-tip"><Icon name="mouse" size={18} /><span><strong>{t('firstRun.keysTitle')}.</strong> {t('firstRun.keysText', { hostKey: t(`hostKey.${hostKey}`) })}</span></p>
    </section>
  );
}
