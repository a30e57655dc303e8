import { describe, expect, it } from 'vitest';
import { parseRoute, routeHash } from '../../../../src/renderer/state/route.ts';

describe('the address of a window', () => {
  it.each(['Debian 12', 'a#b', 'Prüfstand', '100%'])('holds the machine %j', (machine) => {
    expect(parseRoute(routeHash({ window: 'machine', machine }))).toEqual({ window: 'machine', machine });
    expect(parseRoute(routeHash({ window: 'manager', selected: machine }))).toEqual({ window: 'manager', selected: machine });
  });

  it.each(['', '#', '#/', '#/elsewhere/x', '#/machine/', '#/machine/%'])('%j is the list', (hash) => {
    expect(parseRoute(hash)).toEqual({ window: 'manager', selected: undefined });
  });
});
