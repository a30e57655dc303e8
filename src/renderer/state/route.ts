/** Where in the app this window is, kept in the address so that a machine can have a window or a bookmark of its own. */
import { Store } from './store.ts';

export type Route = { readonly window: 'manager'; readonly selected: string | undefined; /** Path of a bundle that is to be looked at. */ readonly bundle?: string } | { readonly window: 'machine'; readonly machine: string };

export function parseRoute(hash: string): Route {
  const [, place, encoded = ''] = /^#\/(machine|library|bundle)\/(.+)$/.exec(hash) ?? [];
  let name: string;
  try {
    name = decodeURIComponent(encoded);
  } catch {
    return { window: 'manager', selected: undefined };
  }
  if (name === '') return { window: 'manager', selected: undefined };
  if (place === 'bundle') return { window: 'manager', selected: undefined, bundle: name };
  return place === 'machine' ? { window: 'machine', machine: name } : { window: 'manager', selected: name };
}

export function routeHash(route: Route): string {
  if (route.window === 'machine') return `#/machine/${encodeURIComponent(route.machine)}`;
  if (route.bundle !== undefined) return `#/bundle/${encodeURIComponent(route.bundle)}`;
  return route.selected === undefined ? '#/' : `#/library/${encodeURIComponent(route.selected)}`;
}

export const currentRoute = new Store<Route>({ window: 'manager', selected: undefined });

export function followAddress(): void {
  const follow = (): void => { currentRoute.set(parseRoute(window.location.hash)); };
  follow();
  window.addEventListener('hashchange', follow);
}

/** Selecting in the list replaces the address, so that "back" leads to the window before, not to the selection before. */
export function go(route: Route): void {
  const hash = routeHash(route);
  if (hash === window.location.hash) return;
  if (route.window === 'manager' && currentRoute.value.window === 'manager') {
    window.history.replaceState(null, '', hash);
    currentRoute.set(route);
    return;
  }
  window.location.hash = hash;
}
