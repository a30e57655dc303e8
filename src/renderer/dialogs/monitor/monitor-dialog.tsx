import { useState } from 'react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { Icon } from '../../components/icon.tsx';
import { SelectInput } from '../../components/select-input.tsx';
import { isOn } from '../../display/use-display.ts';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { useStore } from '../../state/store.ts';
import { Inventory } from './inventory.tsx';
import { LineGraph, strokeOf } from './line-graph.tsx';
import { LogViewer } from './log-viewer.tsx';
import { NetworkTraffic } from './network-traffic.tsx';
import { METRICS } from './rates.ts';
import type { Metric } from './rates.ts';
import { useHistory } from './use-history.ts';

const BYTES: ReadonlySet<Metric> = new Set(['memory', 'disk', 'network']);
const PAGES = [{ id: 'graphs', icon: 'pulse', Page: Graphs }, { id: 'network', icon: 'network', Page: NetworkTraffic }, { id: 'inventory', icon: 'table', Page: Inventory }, { id: 'logs', icon: 'list', Page: LogViewer }] as const;

/** What the machines do now, what they are, and what they said. */
export function MonitorDialog({ onClose }: { readonly onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <AppDialog title={t('monitor.title')} width="settings" onClose={onClose}>
      <Tabs className="settings" orientation="vertical">
        <TabList className="settings-pages" aria-label={t('monitor.title')}>
          {PAGES.map(({ id, icon }) => <Tab key={id} id={id} className="settings-tab"><Icon name={icon} size={18} />{t(`monitor.page.${id}`)}</Tab>)}
        </TabList>
        {PAGES.map(({ id, Page }) => <TabPanel key={id} id={id} className="settings-page"><Page /></TabPanel>)}
      </Tabs>
      <footer className="dialog-footer"><AppButton label={t('app.close')} onPress={onClose} /></footer>
    </AppDialog>
  );
}

/** Of all machines that are on, or of one. */
function Graphs() {
  const { t, i18n } = useTranslation();
  const { entries } = useStore(useApp().library);
  const on = entries.filter(({ status }) => isOn(status.state)).map(({ name }) => name);
  const [chosen, setChosen] = useState('');
  const names = on.includes(chosen) ? [chosen] : on;
  const { times, series } = useHistory(names);
  if (on.length === 0) return <p className="field-hint">{t('monitor.nothingOn')}</p>;

  const number = new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 1 });
  const formats: Readonly<Record<Metric, (value: number) => string>> = {
    cpu: (value) => t('monitor.percent', { number: number.format(value) }),
    memory: (value) => formatBytes(value, i18n.language),
    disk: (value) => t('monitor.perSecond', { amount: formatBytes(value, i18n.language) }),
    network: (value) => t('monitor.perSecond', { amount: formatBytes(value, i18n.language) }),
    frames: (value) => number.format(value),
  };
  const summary = (metric: Metric): string => {
    const last = series[metric].map((values) => values.at(-1) ?? 0);
    return formats[metric](last.reduce((sum, value) => sum + value, 0));
  };
  return (
    <>
      <SelectInput label={t('monitor.machine')} value={names.length === 1 && chosen !== '' ? chosen : ''} onChange={setChosen}
        options={[{ value: '', label: t('monitor.all', { number: on.length }) }, ...on.map((name) => ({ value: name, label: name }))]} />
      <ul className="legend">{names.map((name, index) => <li key={name}><span className="legend-line" style={{ background: strokeOf(index) }} />{name}</li>)}</ul>
      {METRICS.map((metric) => <LineGraph key={metric} title={t(`monitor.metric.${metric}`)} summary={summary(metric)} names={names} times={times} series={series[metric]} format={formats[metric]} isBytes={BYTES.has(metric)} />)}
    </>
  );
}
