/** Ports of this computer that lead into the guest. */
import { useTranslation } from 'react-i18next';
import { FieldError, Input, TextField } from 'react-aria-components';
import type { PortForwardConfig } from '../../../shared/network-config.ts';
import { AppButton } from '../../components/button.tsx';
import { useDraft } from './draft.ts';

const FIRST_HOST_PORT = 2222;
const GUEST_PORT = 22;

export function ForwardTable({ index }: { readonly index: number }) {
  const { t } = useTranslation();
  const { draft, set, type } = useDraft();
  const adapter = draft.adapters[index];
  if (adapter === undefined) return null;
  const at = `adapters.${index}.forwards`;
  const add = (): void => {
    const taken = new Set(draft.adapters.flatMap(({ forwards }) => forwards.map(({ host }) => host.port)));
    let port = FIRST_HOST_PORT;
    while (taken.has(port)) port++;
    const forward: PortForwardConfig = { protocol: 'tcp', host: { address: '127.0.0.1', port }, guest: { port: GUEST_PORT } };
    set(at, [...adapter.forwards, forward]);
  };
  return (
    <div className="field">
      <span className="field-label" id={`forwards-${index}`}>{t('settings.forwards')}</span>
      {adapter.forwards.length === 0 ? <p className="field-hint">{t('settings.forwardsNone')}</p> : (
        <table className="forwards" aria-labelledby={`forwards-${index}`}>
          <thead>
            <tr>
              <th scope="col">{t('settings.protocol')}</th><th scope="col">{t('settings.hostAddress')}</th><th scope="col">{t('settings.hostPort')}</th>
              <th scope="col">{t('settings.guestAddress')}</th><th scope="col">{t('settings.guestPort')}</th><td />
            </tr>
          </thead>
          <tbody>
            {adapter.forwards.map((forward, row) => (
              <tr key={row}>
                <td>
                  <select className="input cell-select" aria-label={t('settings.protocol')} value={forward.protocol} onChange={(event) => { set(`${at}.${row}.protocol`, event.target.value); }}>
                    <option value="tcp">TCP</option>
                    <option value="udp">UDP</option>
                  </select>
                </td>
                <td><Cell path={`${at}.${row}.host.address`} label={t('settings.hostAddress')} value={forward.host.address} /></td>
                <td><PortCell path={`${at}.${row}.host.port`} label={t('settings.hostPort')} value={forward.host.port} /></td>
                <td><Cell path={`${at}.${row}.guest.address`} label={t('settings.guestAddress')} value={forward.guest.address} placeholder={t('settings.guestAddressHint')} /></td>
                <td><PortCell path={`${at}.${row}.guest.port`} label={t('settings.guestPort')} value={forward.guest.port} /></td>
                <td><AppButton label={t('settings.removeForward', { port: String(forward.host.port) })} icon="trash" iconOnly kind="quiet" onPress={() => {
                  // The rows below move up, and what is typed in them is theirs no more.
                  for (let other = 0; other < adapter.forwards.length; other++) for (const place of ['host', 'guest']) type(`${at}.${other}.${place}.port`, undefined);
                  set(at, adapter.forwards.filter((_, other) => other !== row));
                }} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div className="storage-actions"><AppButton label={t('settings.addForward')} icon="plus" onPress={add} /></div>
    </div>
  );
}

interface CellProps { readonly path: string; readonly label: string }

function Cell({ path, label, value, placeholder }: CellProps & { readonly value: string | undefined; readonly placeholder?: string }) {
  const { set, touch, reason } = useDraft();
  return <CellInput label={label} value={value ?? ''} placeholder={placeholder} error={reason(path)} onBlur={() => { touch(path); }} onChange={(text) => { set(path, text.trim() === '' && placeholder !== undefined ? undefined : text.trim()); }} />;
}

function PortCell({ path, label, value }: CellProps & { readonly value: number }) {
  const { set, typed, type, touch, reason } = useDraft();
  return (
    <CellInput label={label} value={typed(path) ?? (Number.isNaN(value) ? '' : String(value))} placeholder={undefined} error={reason(path)} onBlur={() => { touch(path); }}
      onChange={(text) => {
        type(path, text);
        set(path, /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : Number.NaN);
      }} />
  );
}

function CellInput({ label, value, placeholder, error, onChange, onBlur }: { readonly label: string; readonly value: string; readonly placeholder: string | undefined; readonly error: string | undefined; readonly onChange: (text: string) => void; readonly onBlur: () => void }) {
  return (
    <TextField className="field" aria-label={label} value={value} onChange={onChange} onBlur={onBlur} isInvalid={error !== undefined} validationBehavior="aria">
      <Input className="input" spellCheck={false} autoComplete="off" {...(placeholder === undefined ? {} : { placeholder })} />
      {error === undefined ? null : <FieldError className="field-error">{error}</FieldError>}
    </TextField>
  );
}
