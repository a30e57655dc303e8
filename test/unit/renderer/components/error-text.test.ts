import i18next from 'i18next';
import { beforeAll, describe, expect, it } from 'vitest';
import { errorText } from '../../../../src/renderer/components/error-text.ts';
import { de } from '../../../../src/renderer/i18n/de.ts';
import { en } from '../../../../src/renderer/i18n/en.ts';

const error = { code: 'media.missing', message: 'the disk /home/user/x.img does not exist', advice: 'check the path' };

beforeAll(async () => {
  await i18next.init({ lng: 'en', resources: { en: { translation: en }, de: { translation: de } }, interpolation: { escapeValue: false } });
});

describe('an error', () => {
  it('in English is what the app says', () => {
    expect(errorText(error, i18next.getFixedT('en'), 'en')).toEqual({
      title: 'A disk or CD image is missing', text: 'The disk /home/user/x.img does not exist. Check the path.', original: undefined,
    });
  });

  it('that begins with a file\'s name leaves the name alone', () => {
    expect(errorText({ ...error, message: 'machine.json holds no object' }, i18next.getFixedT('en'), 'en').text).toBe('machine.json holds no object. Check the path.');
  });

  it('in German says what to do in German, and keeps the app\'s own words', () => {
    const { title, text, original } = errorText(error, i18next.getFixedT('de'), 'de');
    expect([title, text]).toEqual(['Ein Festplatten- oder CD-Abbild fehlt', 'Prüfe den Pfad.']);
    expect(original).toContain('The disk /home/user/x.img does not exist: check the path');
  });

  it('of an unknown code, even the name of a method of objects, is still told', () => {
    for (const code of ['new.kind', 'unknown', 'constructor']) expect(errorText({ ...error, code }, i18next.getFixedT('en'), 'en').title).toBe('That did not work');
  });
});
