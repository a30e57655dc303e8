import type { Ref } from 'react';
import { Button, Tooltip, TooltipTrigger } from 'react-aria-components';
import { Icon } from './icon.tsx';
import type { IconName } from './icon.tsx';

export interface AppButtonProps {
  readonly label: string;
  readonly icon?: IconName;
  /** Only the icon is shown; the label is its accessible name and its tooltip. */
  readonly iconOnly?: boolean;
  readonly kind?: 'primary' | 'plain' | 'quiet' | 'danger';
  /** A narrow window hides the label: then the tooltip says it. */
  readonly canLoseLabel?: boolean;
  /** A chevron: it opens a menu. */
  readonly opensMenu?: boolean;
  readonly isDisabled?: boolean;
  readonly isPending?: boolean;
  readonly autoFocus?: boolean;
  readonly slot?: 'close';
  readonly type?: 'submit' | 'button';
  readonly onPress?: () => void;
  readonly ref?: Ref<HTMLButtonElement>;
}

export function AppButton({ label, icon, iconOnly = false, canLoseLabel = false, kind = 'plain', opensMenu = false, ref, ...rest }: AppButtonProps) {
  const button = (
    <Button {...rest} {...(ref === undefined ? {} : { ref })} {...(iconOnly ? { 'aria-label': label } : {})} className={`button button-${kind}${iconOnly ? ' button-icon' : ''}`}>
      {icon === undefined ? null : <Icon name={icon} size={18} />}
      {iconOnly ? null : <span>{label}</span>}
      {opensMenu ? <Icon name="chevron" size={14} /> : null}
    </Button>
  );
  if (!iconOnly && !canLoseLabel) return button;
  return (
    <TooltipTrigger delay={500} closeDelay={100}>
      {button}
      <Tooltip className="tooltip" offset={6}>{label}</Tooltip>
    </TooltipTrigger>
  );
}
