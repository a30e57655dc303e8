import type { ReactNode } from 'react';
import { Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { AppButton } from './button.tsx';

export interface AppDialogProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly width?: 'narrow' | 'wide' | 'settings';
  /** It asks about something that can't be taken back. */
  readonly isAlert?: boolean;
  readonly onClose: () => void;
}

/** A modal dialog that is open as long as it is there. */
export function AppDialog({ title, children, width = 'narrow', isAlert = false, onClose }: AppDialogProps) {
  const { t } = useTranslation();
  return (
    <ModalOverlay className="modal-shade" isOpen isDismissable={!isAlert} onOpenChange={(isOpen) => { if (!isOpen) onClose(); }}>
      <Modal className={`modal modal-${width}`}>
        <Dialog className="dialog" role={isAlert ? 'alertdialog' : 'dialog'}>
          <header className="dialog-header">
            <Heading slot="title" className="dialog-title">{title}</Heading>
            {isAlert ? null : <AppButton label={t('app.close')} icon="close" iconOnly kind="quiet" onPress={onClose} />}
          </header>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
