import { useTranslation } from 'react-i18next';
import { Label, Radio, RadioGroup } from 'react-aria-components';
import { SCALINGS } from '../../../shared/machine-config.ts';
import { useDraft } from './draft.ts';

export function DisplayPage() {
  const { t } = useTranslation();
  const { draft, set } = useDraft();
  return (
    <RadioGroup className="field" value={draft.display.scaling} onChange={(value) => { set('display.scaling', value); }}>
      <Label className="field-label">{t('machine.scaling')}</Label>
      <div className="choices">
        {SCALINGS.map((scaling) => (
          <Radio key={scaling} value={scaling} className="card">
            <span className="card-title">{t(`machine.scale.${scaling}`)}</span>
            <span className="card-text">{t(`settings.scaleHint.${scaling}`)}</span>
          </Radio>
        ))}
      </div>
    </RadioGroup>
  );
}
