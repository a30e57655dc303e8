/** How the name of an image begins that process `pid` is making for the place `name`, until it is whole. */
export function unfinishedPrefix(name: string, pid: number): string {
  return `.${name}.${pid}-`;
}
