/**
 * Numbers as unevaluated sums of two f64 (about 106 bits), for the x87's transcendental functions. Dekker's and Knuth's
 * exact sums and products; results in `high` and `low`. Arguments stay far from the ends of f64's range.
 */
export let high: f64 = 0;
export let low: f64 = 0;

@inline function quick(a: f64, b: f64): void {
  high = a + b;
  low = b - (high - a);
}
let error: f64 = 0;
@inline function sumOf(a: f64, b: f64): f64 {
  const s = a + b;
  const other = s - a;
  error = (a - (s - other)) + (b - other);
  return s;
}
@inline function productOf(a: f64, b: f64): f64 {
  const p = a * b;
  const ta = 134217729.0 * a;
  const ah = ta - (ta - a);
  const al = a - ah;
  const tb = 134217729.0 * b;
  const bh = tb - (tb - b);
  const bl = b - bh;
  error = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
  return p;
}
export function set(h: f64, l: f64): void { high = h; low = l; }
export function addTo(ah: f64, al: f64, bh: f64, bl: f64): void {
  const s = sumOf(ah, bh);
  let e = error;
  const t = sumOf(al, bl);
  const f = error;
  e += t;
  quick(s, e);
  quick(high, low + f);
}
export function multiply(ah: f64, al: f64, bh: f64, bl: f64): void {
  const p = productOf(ah, bh);
  quick(p, error + (ah * bl + al * bh));
}
export function divide(ah: f64, al: f64, bh: f64, bl: f64): void {
  const q1 = ah / bh;
  multiply(bh, bl, q1, 0);
  addTo(ah, al, -high, -low);
  const rh = high;
  const rl = low;
  const q2 = rh / bh;
  multiply(bh, bl, q2, 0);
  addTo(rh, rl, -high, -low);
  const q3 = high / bh;
  quick(q1, q2);
  addTo(high, low, q3, 0);
}
/** √(a), a > 0. */
export function root(ah: f64, al: f64): void {
  const x = 1.0 / sqrt(ah);
  const ax = ah * x;
  const p = productOf(ax, ax);
  const e = error;
  addTo(ah, al, -p, -e);
  quick(ax, high * x * 0.5);
}
/** 2^n for −1022 ≤ n ≤ 1023. */
@inline export function power(n: i32): f64 { return reinterpret<f64>(<u64>(n + 1023) << 52); }

/** e^y − 1 for |y| < 0.7. */
export function exponentialMinusOne(yh: f64, yl: f64): void {
  let sh = yh;
  let sl = yl;
  let th = yh;
  let tl = yl;
  for (let n = 2; n < 40; n++) {
    multiply(th, tl, yh, yl);
    divide(high, low, n, 0);
    th = high;
    tl = low;
    addTo(sh, sl, th, tl);
    sh = high;
    sl = low;
    if (abs(th) < abs(sh) * 1e-34) break;
  }
  set(sh, sl);
}
/** 2 artanh(s) for |s| < 0.3. */
export function doubleAreaTangent(sh: f64, sl: f64): void {
  multiply(sh, sl, sh, sl);
  const qh = high;
  const ql = low;
  let ph = sh;
  let pl = sl;
  let rh = sh;
  let rl = sl;
  for (let n = 3; n < 120; n += 2) {
    multiply(ph, pl, qh, ql);
    ph = high;
    pl = low;
    divide(ph, pl, n, 0);
    const size = abs(high);
    addTo(rh, rl, high, low);
    rh = high;
    rl = low;
    if (size < abs(rh) * 1e-34) break;
  }
  set(rh * 2, rl * 2);
}
/** arctan(t) for 0 ≤ t ≤ 1: halved three times, then the series. */
export function arcTangent(th: f64, tl: f64): void {
  for (let n = 0; n < 3; n++) {
    multiply(th, tl, th, tl);
    addTo(high, low, 1, 0);
    root(high, low);
    addTo(high, low, 1, 0);
    divide(th, tl, high, low);
    th = high;
    tl = low;
  }
  multiply(th, tl, th, tl);
  const qh = -high;
  const ql = -low;
  let ph = th;
  let pl = tl;
  let rh = th;
  let rl = tl;
  for (let n = 3; n < 80; n += 2) {
    multiply(ph, pl, qh, ql);
    ph = high;
    pl = low;
    divide(ph, pl, n, 0);
    const size = abs(high);
    addTo(rh, rl, high, low);
    rh = high;
    rl = low;
    if (size < abs(rh) * 1e-34) break;
  }
  set(rh * 8, rl * 8);
}
/** sin (odd) or cos of |r| < 0.8: the series whose first term is r or 1. */
export function sineSeries(rh: f64, rl: f64, cosine: bool): void {
  multiply(rh, rl, rh, rl);
  const qh = -high;
  const ql = -low;
  let th: f64 = cosine ? 1 : rh;
  let tl: f64 = cosine ? 0 : rl;
  let sh = th;
  let sl = tl;
  for (let n = cosine ? 2 : 3; n < 40; n += 2) {
    multiply(th, tl, qh, ql);
    divide(high, low, <f64>(n * (n - 1)), 0);
    th = high;
    tl = low;
    addTo(sh, sl, th, tl);
    sh = high;
    sl = low;
    if (abs(th) < abs(sh) * 1e-34) break;
  }
  set(sh, sl);
}
