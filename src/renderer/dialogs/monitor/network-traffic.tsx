import { useCallback, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { MachineError } from '../../../shared/result.ts';
import type { NetworkState } from '../../../shared/vm-protocol.ts';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { SelectInput } from '../../components/select-input.tsx';
import { isOn } from '../../display/use-display.ts';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { switchCapture } from '../../state/capture.ts';
import { useStore } from '../../state/store.ts';

const READ_MILLIS = 1000;
const COLUMNS = ['protocol', 'guest', 'direction', 'remote', 'state', 'received', 'sent'] as const;

/** What passes the adapters of one machine, and what is open through them. */
export function NetworkTraffic() {
  const { t } = useTranslation();
  const { entries } = useStore(useApp().library);
  const on = entries.filter(({ status, config }) => isOn(status.state) && config !== undefined && config.adapters.length > 0).map(({ name }) => name);
  const [chosen, setChosen] = useState('');
  const name = on.includes(chosen) ? chosen : on[0];
  if (name === undefined) return <p className="field-hint">{t('network.nothingOn')}</p>;
  return (
    <>
      <SelectInput label={t('monitor.machine')} value={name} onChange={setChosen} options={on.map((value) => ({ value, label: value }))} />
      <Adapters key={name} name={name} />
    </>
  );
}

function Adapters({ name }: { readonly name: string }) {
  const { t } = useTranslation();
  const { shell } = useApp();
  const [adapters, setAdapters] = useState<NetworkState>([]);
  const [error, setError] = useState<MachineError>();
  const read = useCallback(async (): Promise<void> => {
    const answer = await shell.client.machines.network({ name });
    setError(answer.ok ? undefined : answer.error);
    if (answer.ok) setAdapters(answer.value.adapters);
  }, [shell, name]);
  useEffect(() => {
    void read();
    const timer = setInterval(() => { void read(); }, READ_MILLIS);
    return () => { clearInterval(timer); };
  }, [read]);

  return (
    <>
      {error === undefined ? null : <ErrorNotice error={error} />}
      {adapters.map((adapter, index) => (
        <Adapter key={index} number={index + 1} adapter={adapter}
          onCapture={(isWanted) => { void switchCapture(shell, name, index, isWanted, t).then(read); }} />
      ))}
    </>
  );
}

function Adapter({ number, adapter: { figures, connections }, onCapture }: { readonly number: number; readonly adapter: NetworkState[number]; readonly onCapture: (isOn: boolean) => void }) {
  const { t, i18n } = useTranslation();
  const amount = (bytes: number): string => formatBytes(bytes, i18n.language);
  const count = new Intl.NumberFormat(i18n.language);
  const counters = [
    ['received', t('network.amount', { amount: amount(figures.bytesIn), frames: count.format(figures.framesIn) })],
    ['sent', t('network.amount', { amount: amount(figures.bytesOut), frames: count.format(figures.framesOut) })],
    ['dropped', count.format(figures.dropped)],
    ['lost', count.format(figures.lost)],
    ['open', t('network.openOf', { open: count.format(figures.tcpConnections + figures.udpFlows), opened: count.format(figures.tcpOpened) })],
    ['machines', count.format(figures.machines)],
  ] as const;
  const { capturePath } = figures;
  const isCaptured = capturePath !== undefined;
  return (
    <section className="form group" aria-label={t('settings.adapter', { number })}>
      <header className="group-header">
        <h3>{t('settings.adapter', { number })}</h3>
        <AppButton label={t(isCaptured ? 'network.captureStop' : 'network.captureStart')} icon={isCaptured ? 'stop' : 'pulse'} onPress={() => { onCapture(!isCaptured); }} />
      </header>
      {isCaptured ? <p className="field-hint" role="status">{t('network.capturing', { path: capturePath, missed: count.format(figures.captureMissed) })}</p> : null}
      <dl className="network-counters">
        {counters.map(([id, value]) => <div key={id}><dt>{t(`network.counter.${id}`)}</dt><dd>{value}</dd></div>)}
      </dl>
      {connections.length === 0 ? <p className="field-hint">{t('network.noConnections')}</p> : (
        <div className="table-frame connections" tabIndex={0} role="region" aria-label={t('network.connections', { number })}>
          <table className="inventory">
            <thead><tr>{COLUMNS.map((column) => <th key={column} scope="col">{t(`network.column.${column}`)}</th>)}</tr></thead>
            <tbody>
              {connections.map(({ protocol, origin, guest, remote, state, bytesIn, bytesOut }) => (
                <tr key={`${protocol} ${place(guest)} ${place(remote)}`}>
                  <td>{protocol.toUpperCase()}</td>
                  <td>{place(guest)}</td>
                  <td>{t(`network.origin.${origin}`)}</td>
                  <td>{place(remote)}</td>
                  <td>{t(`network.state.${state}`)}</td>
                  <td>{amount(bytesIn)}</td>
                  <td>{amount(bytesOut)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function place({ address, port }: { readonly address: string; readonly port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
