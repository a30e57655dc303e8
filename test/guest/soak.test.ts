/** Code that comes and goes for a long time: what is kept of it may not grow. */
import { expect, test } from 'vitest';
import { guestInitrd, guestKernel } from '../support/guest-images.ts';
import { LONG_TESTS, QUICK_BOOT, removeScratchFiles, runGuest } from './run-guest.ts';

removeScratchFiles();

const MEBIBYTE = 0x10_0000;
/** The second run is so much longer; all that is ever needed has been there in the first. */
const [SHORT_SECONDS, LONG_SECONDS] = [240, 2_400];

/** New processes of new files all the time: programs that lie at other places in memory each time, and pages that were code and become something else. */
const CHURN = `
i=0
while true; do
  for n in 1 2 3 4 5 6 7 8; do
    awk "BEGIN { for (k = 0; k < 2000; k++) s += sin(k + $i) * $n; print s }" >/dev/null
    echo $i | sha1sum | cut -c1-8 | tr a-f A-F >/dev/null; seq $n 300 | sort -n | uniq | wc -l >/dev/null
    mkdir -p /tmp/$n; cp /bin/busybox /tmp/$n/busybox; /tmp/$n/busybox sh -c 'echo $((6*7))' >/dev/null
  done
  gzip -c /bin/busybox | gunzip | cmp - /bin/busybox; rm -rf /tmp/*
  i=$((i+1)); echo "round $i"
done
`;

test('new code for forty minutes needs no more memory than for four', async (context) => {
  context.skip(!LONG_TESTS, 'takes three quarters of an hour: npm run test:long (GUESTHOUSE_LONG_TESTS=1) runs it');
  const args = ['--memory', '256M', '--kernel', guestKernel('cloud-amd64').file, '--initrd', guestInitrd({ flavour: 'cloud-amd64', init: CHURN }), '--append', `console=ttyS0,115200 ${QUICK_BOOT}`];
  const run = async (timeoutSeconds: number) => {
    const { status, serial, stats } = await runGuest(args, { timeoutSeconds });
    expect(status).toBe(124);
    const { translated = 0, regionsDropped = 0, moduleBytes = 0, arenaBytes = 0, pauses = 0, pauseP99Micros = 0 } = stats!.exits;
    process.stdout.write(`${timeoutSeconds} s: ${serial.split('round').length - 1} rounds, ${translated} regions made, ${regionsDropped} dropped, ${Math.round(moduleBytes / MEBIBYTE)} MiB of WebAssembly made, `
      + `${Math.round(arenaBytes / MEBIBYTE)} MiB of code arena, peak ${Math.round(stats!.peakRssBytes / MEBIBYTE)} MiB; ${pauses} pauses, 99 % below ${pauseP99Micros} us\n`);
    return { peak: stats!.peakRssBytes, translated, arenaBytes };
  };
  const short = await run(SHORT_SECONDS);
  const long = await run(LONG_SECONDS);
  expect(long.translated).toBeGreaterThan(short.translated * 1.5);
  expect(long.peak).toBeLessThan(short.peak * 1.2);
  expect(long.arenaBytes).toBeLessThanOrEqual(64 * MEBIBYTE);
}, (SHORT_SECONDS + LONG_SECONDS + 300) * 1000);
