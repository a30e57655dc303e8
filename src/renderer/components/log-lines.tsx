import { useTranslation } from 'react-i18next';

/** The end of a machine's log, folded until somebody wants it. */
export function LogLines({ lines }: { readonly lines: readonly string[] }) {
  const { t } = useTranslation();
  return (
    <details className="log-lines">
      <summary>{t('manager.logTitle')}</summary>
      <pre tabIndex={0}>{lines.join('\n')}</pre>
    </details>
  );
}
