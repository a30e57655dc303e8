/**
 * Reads a guest's text screen from the pixels of the window's canvas, without knowing the guest's font: characters are
 * learned by typing them, and a screen is a grid of pictures that are equal or not.
 */
import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';

/** Pictures of the cells by row; a blank one is ''. */
export type ScreenCells = readonly (readonly string[])[];

/** Text modes of 720 × 400 have cells of 9 × 16; the others, and consoles in graphics modes, 8 × 16. */
export async function readCells(page: Page): Promise<ScreenCells> {
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('[data-testid=guest-canvas]');
    if (canvas === null || canvas.hidden) return [];
    const { width, height } = canvas;
    // A worker draws it; a copy can be read.
    const context = new OffscreenCanvas(width, height).getContext('2d')!;
    context.drawImage(canvas, 0, 0);
    const cellWidth = width % 9 === 0 && width % 8 === 0 && height === 400 ? 9 : 8;
    const cellHeight = 16;
    // The cursor lies in the lowest rows of its cell, where no letter or digit has anything.
    const rowsRead = 13;
    const { data } = context.getImageData(0, 0, width, height);
    const pixels = new Uint32Array(data.buffer);
    const cells: string[][] = [];
    for (let top = 0; top + cellHeight <= height; top += cellHeight) {
      const row: string[] = [];
      for (let left = 0; left + cellWidth <= width; left += cellWidth) {
        const background = pixels[top * width + left];
        let picture = '';
        let isBlank = true;
        for (let y = 0; y < rowsRead; y++) {
          let bits = 0;
          for (let x = 0; x < 8; x++) bits = bits * 2 + (pixels[(top + y) * width + left + x] === background ? 0 : 1);
          if (bits !== 0) isBlank = false;
          picture += String.fromCharCode(0x100 + bits);
        }
        row.push(isBlank ? '' : picture);
      }
      cells.push(row);
    }
    return cells;
  });
}

/** `KeyboardEvent.code` presses that type a text on a US keyboard. */
const US_KEYS: Readonly<Record<string, string>> = {
  ' ': 'Space', '$': 'Shift+Digit4', '(': 'Shift+Digit9', ')': 'Shift+Digit0', '*': 'Shift+Digit8', '#': 'Shift+Digit3', '+': 'Shift+Equal', '-': 'Minus', '/': 'Slash', '\n': 'Enter', '.': 'Period', '|': 'Shift+Backslash',
};

export async function typeText(page: Page, text: string): Promise<void> {
  for (const character of text) {
    const key = US_KEYS[character] ?? (/\d/.test(character) ? `Digit${character}` : `Key${character.toUpperCase()}`);
    await page.keyboard.press(key, { delay: 15 });
  }
}

/** A guest on a busy computer takes its time. */
const TAKE_BACK_MILLIS = 15_000;

interface Place { readonly row: number; readonly column: number }

function firstDifference(before: ScreenCells, after: ScreenCells): Place | undefined {
  for (const [row, cells] of after.entries()) {
    for (const [column, picture] of cells.entries()) if (picture !== before[row]?.[column]) return { row, column };
  }
  return undefined;
}

/** The screen once it has stayed the same for a while. */
export async function settledCells(page: Page, quietMillis: number, timeoutMillis: number): Promise<ScreenCells> {
  const end = Date.now() + timeoutMillis;
  let cells = await readCells(page);
  let sameSince = Date.now();
  while (Date.now() < end) {
    await page.waitForTimeout(200);
    const now = await readCells(page);
    if (JSON.stringify(now) !== JSON.stringify(cells)) {
      cells = now;
      sameSince = Date.now();
    } else if (Date.now() - sameSince >= quietMillis && cells.some((row) => row.some((picture) => picture !== ''))) return cells;
  }
  throw new Error(`the guest's screen did not come to rest in ${timeoutMillis} ms`);
}

interface Typed {
  readonly picture: string;
  readonly place: Place;
  readonly screen: ScreenCells;
}

/** Types one character and sees what picture it makes, and where. `undefined`: nothing appeared. */
async function typeAndSee(page: Page, character: string): Promise<Typed | undefined> {
  const before = await settledCells(page, 600, 60_000);
  await typeText(page, character);
  const screen = await settledCells(page, 600, 60_000);
  const place = firstDifference(before, screen);
  const picture = place === undefined ? undefined : screen[place.row]?.[place.column];
  return place === undefined || picture === undefined || picture === '' ? undefined : { picture, place, screen };
}

/** As `typeAndSee`, and takes the character back. */
async function learn(page: Page, character: string): Promise<Typed | undefined> {
  const typed = await typeAndSee(page, character);
  if (typed === undefined) return undefined;
  const { row, column } = typed.place;
  await page.keyboard.press('Backspace', { delay: 15 });
  await expect.poll(async () => (await readCells(page))[row]?.[column], { message: `the guest takes "${character}" back`, timeout: TAKE_BACK_MILLIS }).toBe('');
  return typed;
}

/**
 * Waits for a root prompt, a `#` and a blank, by typing more `#` now and then. Those that the guest got while it booted
 * stand at the prompt in the end, a comment or a command that is not found, and a fresh prompt follows.
 */
export async function waitForPrompt(page: Page, timeoutMillis: number): Promise<void> {
  const end = Date.now() + timeoutMillis;
  while (Date.now() < end) {
    await settledCells(page, 1500, Math.max(1000, end - Date.now()));
    const typed = await typeAndSee(page, '#');
    const row = typed?.screen[typed.place.row]?.slice(0, typed.place.column);
    if (row?.some((picture, column) => picture === typed?.picture && row[column + 1] === '') !== true) continue;
    await page.keyboard.press('Enter', { delay: 15 });
    await settledCells(page, 600, 60_000);
    return;
  }
  throw new Error(`no prompt appeared on the guest's screen in ${timeoutMillis} ms`);
}

/**
 * Types a command at the prompt and waits for a line that is the answer, whole. The answer's characters are learned first.
 * @param type how the command and its line end get to the guest, if not by the page's keyboard
 */
export async function expectAnswer(page: Page, command: string, answer: string, timeoutMillis: number, type: (text: string) => Promise<void> = (text) => typeText(page, text)): Promise<void> {
  const pictures: string[] = [];
  let row = 0;
  for (const character of answer) {
    const learned = await learn(page, character);
    if (learned === undefined) throw new Error(`"${character}" was typed and did not appear on the guest's screen`);
    pictures.push(learned.picture);
    row = learned.place.row;
  }
  const countOf = (cells: ScreenCells): number => cells.filter((cellsOfRow) => cellsOfRow.every((picture, column) => picture === (pictures[column] ?? ''))).length;
  const before = countOf(await readCells(page));
  await type(`${command}\n`);
  await expect.poll(async () => countOf(await readCells(page)), { message: `${command} answers ${answer} (prompt in row ${row})`, timeout: timeoutMillis }).toBe(before + 1);
}
