/** The first `count` of these texts in their order (that of `<`), sorted. However many there are, only some few of them are: what is behind those found is passed over. */
export function least(texts: Iterable<string>, count: number): string[] {
  let found: string[] = [];
  let last: string | undefined;
  for (const text of texts) {
    if (last !== undefined && text >= last) continue;
    found.push(text);
    if (found.length < 2 * count) continue;
    found = found.sort().slice(0, count);
    last = found.at(-1);
  }
  return found.sort().slice(0, count);
}
