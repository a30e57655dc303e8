import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { dismissNotice, notices } from '../state/notices.ts';
import type { Notice } from '../state/notices.ts';
import { useStore } from '../state/store.ts';
import { AppButton } from './button.tsx';
import { ErrorNotice } from './error-notice.tsx';
import { Icon } from './icon.tsx';

/** Information goes by itself; errors and warnings stay until they are dismissed. */
const INFORMATION_MILLIS = 7000;

export function NoticeStack() {
  const { t } = useTranslation();
  const shown = useStore(notices);
  return (
    <div className="notice-stack" role="region" aria-label={t('app.notices')} aria-live="polite">
      {shown.map((notice) => <StackedNotice key={notice.id} notice={notice} />)}
    </div>
  );
}

function StackedNotice({ notice }: { readonly notice: Notice }) {
  const { t } = useTranslation();
  const { id, kind } = notice;
  useEffect(() => {
    if (kind !== 'info') return undefined;
    const timer = setTimeout(() => { dismissNotice(id); }, INFORMATION_MILLIS);
    return () => { clearTimeout(timer); };
  }, [id, kind]);
  return (
    <div className="stacked-notice">
      {notice.kind === 'error'
        ? <ErrorNotice error={notice.error} />
        : <div className={`notice notice-${notice.kind}`} role="status"><Icon name={notice.kind === 'warning' ? 'alert' : 'info'} /><div className="notice-body"><p>{notice.text}</p></div></div>}
      <AppButton label={t('app.dismiss')} icon="close" iconOnly kind="quiet" onPress={() => { dismissNotice(id); }} />
    </div>
  );
}
