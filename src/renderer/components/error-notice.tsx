import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { MachineError } from '../../shared/result.ts';
import { errorText } from './error-text.ts';
import { Icon } from './icon.tsx';

/** What is wrong and what to do, in its place on the page. */
export function ErrorNotice({ error, title, children }: { readonly error: MachineError; readonly title?: string; readonly children?: ReactNode }) {
  const { t, i18n } = useTranslation();
  const text = errorText(error, t, i18n.language);
  return (
    <div className="notice notice-error" role="alert">
      <Icon name="alert" />
      <div className="notice-body">
        <strong>{title ?? text.title}</strong>
        {title === undefined ? null : <p>{text.title}</p>}
        <p>{text.text}</p>
        {text.original === undefined ? null : <p className="notice-original" lang="en">{text.original}</p>}
        {children}
      </div>
    </div>
  );
}
