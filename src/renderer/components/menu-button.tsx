import { Fragment } from 'react';
import { Menu, MenuItem, MenuTrigger, Popover, Separator } from 'react-aria-components';
import { AppButton } from './button.tsx';
import type { AppButtonProps } from './button.tsx';
import { Icon } from './icon.tsx';
import type { IconName } from './icon.tsx';

export interface MenuEntry {
  readonly id: string;
  readonly label: string;
  readonly hint?: string;
  readonly icon?: IconName;
  readonly isDanger?: boolean;
  readonly isDisabled?: boolean;
  /** A choice that is the present one. */
  readonly isChosen?: boolean;
  readonly onAction: () => void;
}

export interface MenuButtonProps extends Omit<AppButtonProps, 'onPress' | 'slot' | 'type' | 'autoFocus'> {
  /** Groups of entries, with lines between. */
  readonly groups: readonly (readonly MenuEntry[])[];
  readonly placement?: 'bottom end' | 'top end';
}

export function MenuButton({ groups, placement = 'bottom end', ...button }: MenuButtonProps) {
  const shown = groups.filter((group) => group.length > 0);
  return (
    <MenuTrigger>
      <AppButton {...button} opensMenu={!(button.iconOnly ?? false)} />
      <Popover className="popover" placement={placement} offset={6}>
        <Menu className="menu" aria-label={button.label}>
          {shown.map((group, index) => (
            <Fragment key={group[0]?.id}>
              {index === 0 ? null : <Separator className="menu-line" />}
              {group.map((entry) => (
                <MenuItem key={entry.id} id={entry.id} textValue={entry.label} onAction={entry.onAction} isDisabled={entry.isDisabled ?? false}
                  className={`menu-entry${entry.isDanger === true ? ' menu-entry-danger' : ''}`}>
                  <span className="menu-icon">{entry.isChosen === true ? <Icon name="check" size={16} /> : entry.icon === undefined ? null : <Icon name={entry.icon} size={16} />}</span>
                  <span className="menu-label">{entry.label}</span>
                  {entry.hint === undefined ? null : <span className="menu-hint">{entry.hint}</span>}
                </MenuItem>
              ))}
            </Fragment>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}
