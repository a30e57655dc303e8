import { useEffect, useRef, useState } from 'react';
import type { MediumFacts } from '../../../shared/medium-facts.ts';
import type { MachineError } from '../../../shared/result.ts';
import { useApp } from '../../state/app-state.ts';
import { checkImage } from './check-draft.ts';

/** Whoever types a path isn't asked about each letter. */
const TYPING_MILLIS = 350;

/** Has an image looked into whenever its path has changed. Returns whether that is under way. */
export function useRecognition(path: string, onRecognized: (path: string, facts: MediumFacts | undefined, error: MachineError | undefined) => void): boolean {
  const { shell } = useApp();
  const [answered, setAnswered] = useState('');
  const tell = useRef(onRecognized);
  useEffect(() => { tell.current = onRecognized; });
  const wanted = checkImage(path) === undefined ? path : '';

  useEffect(() => {
    if (wanted === '') return undefined;
    let isCurrent = true;
    const timer = setTimeout(() => {
      void shell.client.media.recognize({ path: wanted.trim() }).then((answer) => {
        if (!isCurrent) return;
        setAnswered(wanted);
        tell.current(wanted, answer.ok ? answer.value : undefined, answer.ok ? undefined : answer.error);
      });
    }, TYPING_MILLIS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [shell, wanted]);
  return wanted !== '' && answered !== wanted;
}
