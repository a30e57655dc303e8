/** What the guest can get at outside of itself, in one place. */
import { useTranslation } from 'react-i18next';
import { AppButton } from '../../components/button.tsx';
import { Icon } from '../../components/icon.tsx';
import { useDraft } from './draft.ts';
import { ReachSetting } from './network-page.tsx';
import { forwardText, targetText } from './target-text.ts';

const LOOPBACK = /^(?:127\.|::1$)/;

export function PermissionsPage() {
  const { t } = useTranslation();
  const { draft, set } = useDraft();
  const { disks, cdroms, adapters } = draft;
  const isCutOff = adapters.every(({ reach, forwards, connected }) => !connected || (reach === 'nothing' && forwards.length === 0));
  return (
    <>
      <p className="dialog-text">{t('settings.permissionsIntro')}</p>
      <section className="form group">
        <h3>{t('settings.permissionFiles')}</h3>
        <ul className="permissions">
          {disks.map(({ path, readOnly, discardChanges }, index) => (
            <li key={`disk${index}`}><Icon name="disk" size={18} /><span className="path">{path}</span><span>{t(readOnly ? 'settings.permissionReads' : discardChanges ? 'settings.permissionDiscards' : 'settings.permissionWrites')}</span></li>
          ))}
          {cdroms.map(({ path }, index) => path === undefined ? null : (
            <li key={`cd${index}`}><Icon name="disc" size={18} /><span className="path">{path}</span><span>{t('settings.permissionReads')}</span></li>
          ))}
        </ul>
        {disks.length + cdroms.length === 0 ? <p className="field-hint">{t('settings.noMedia')}</p> : null}
      </section>
      {adapters.length === 0 ? <p className="dialog-text">{t('settings.permissionNoNetwork')}</p> : null}
      {adapters.map(({ reach, allow, forwards }, index) => {
        const open = forwards.filter(({ host }) => !LOOPBACK.test(host.address));
        return (
          <section key={index} className="form group">
            <ReachSetting index={index} label={t('settings.permissionNetwork', { number: index + 1 })} />
            {reach === 'nothing' || allow.length === 0 ? null : <p>{t('settings.permissionListed', { targets: allow.map(targetText).join(', ') })}</p>}
            {forwards.length === 0 ? null : <p>{t('settings.permissionPorts', { ports: forwards.map(forwardText).join(', ') })}</p>}
            {open.length === 0 ? null : <p className="field-hint-warning">{t('settings.permissionOpen', { ports: open.map(forwardText).join(', ') })}</p>}
          </section>
        );
      })}
      {adapters.length === 0 ? null : (
        <div className="storage-actions">
          <AppButton label={t('settings.cutOff')} icon="shield" isDisabled={isCutOff} onPress={() => { set('adapters', adapters.map((adapter) => ({ ...adapter, reach: 'nothing', forwards: [] }))); }} />
        </div>
      )}
    </>
  );
}
