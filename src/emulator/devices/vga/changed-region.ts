export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Collects changed rectangles of a picture, joining neighbours where that adds little that didn't change. */
export class ChangedRegion {
  private readonly found: Rectangle[] = [];
  private readonly width: number;
  private readonly height: number;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
  }

  /** Adds a rectangle, cut to the picture. Rectangles come roughly from top to bottom. */
  add(x: number, y: number, width: number, height: number): void {
    const left = Math.max(x, 0);
    const top = Math.max(y, 0);
    const right = Math.min(x + width, this.width);
    const bottom = Math.min(y + height, this.height);
    if (right <= left || bottom <= top) return;
    let rectangle: Rectangle = { x: left, y: top, width: right - left, height: bottom - top };
    for (let last = this.found.at(-1); last !== undefined; last = this.found.at(-1)) {
      const joined = joinedIfCheap(last, rectangle);
      if (joined === undefined) break;
      this.found.pop();
      rectangle = joined;
    }
    this.found.push(rectangle);
  }

  rectangles(): readonly Rectangle[] {
    return this.found;
  }
}

function joinedIfCheap(a: Rectangle, b: Rectangle): Rectangle | undefined {
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  const width = Math.max(a.x + a.width, b.x + b.width) - x;
  const height = Math.max(a.y + a.height, b.y + b.height) - y;
  // A message has a cost of its own, worth some thousand pixels.
  const worth = a.width * a.height + b.width * b.height;
  return width * height <= worth * 1.25 + 1024 ? { x, y, width, height } : undefined;
}
