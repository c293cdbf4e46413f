/**
 * What pure functions have answered lately, by their text: asked for with every request, and always the same. Holds at most `most` short texts and forgets
 * all of them when it is full: a storm of texts that come once costs little, and no order has to be kept.
 */
export class Recall<V> {
  private readonly known = new Map<string, V>();
  private readonly most: number;
  private readonly longest: number;

  /** @param longest characters; longer texts are not kept */
  constructor({ most = 1_000, longest = 256 }: { readonly most?: number; readonly longest?: number } = {}) {
    this.most = most;
    this.longest = longest;
  }

  get(text: string): V | undefined {
    return this.known.get(text);
  }

  /** Answers the value. */
  keep(text: string, value: V): V {
    if (text.length > this.longest) return value;
    if (this.known.size >= this.most) this.known.clear();
    this.known.set(text, value);
    return value;
  }
}
