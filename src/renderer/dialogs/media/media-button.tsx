import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { AppButton } from '../../components/button.tsx';
import { MediaDialog } from './media-dialog.tsx';

export function MediaButton() {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <AppButton label={t('media.title')} icon="disk" iconOnly kind="quiet" onPress={() => { setOpen(true); }} />
      {isOpen ? <MediaDialog onClose={() => { setOpen(false); }} /> : null}
    </>
  );
}
