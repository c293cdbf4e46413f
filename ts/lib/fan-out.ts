interface Wish {
  resolve(result: IteratorResult<Uint8Array>): void;
  reject(reason: unknown): void;
}

/** One reader of a split source. */
interface Branch {
  wish: Wish | undefined;
  left: boolean;
}

const DONE = { done: true, value: undefined } as const;

/** A source that is pulled once every branch wants its next piece: the slowest holds the others, and nothing is buffered. */
class Splitter {
  private readonly source: AsyncIterator<Uint8Array>;
  private readonly branches: readonly Branch[];
  private ended = false;
  private failure: { readonly reason: unknown } | undefined;
  private pulling = false;

  constructor(source: AsyncIterable<Uint8Array>, count: number) {
    this.source = source[Symbol.asyncIterator]();
    this.branches = Array.from({ length: count }, () => ({ wish: undefined, left: false }));
  }

  branch(index: number): AsyncIterable<Uint8Array> {
    const branch = this.branches[index] as Branch;
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => this.next(branch),
        return: () => {
          this.leave(index);
          return Promise.resolve(DONE);
        },
      }),
    };
  }

  /** This reader wants nothing more: the others go on without it. */
  leave(index: number): void {
    const branch = this.branches[index] as Branch;
    branch.left = true;
    branch.wish?.resolve(DONE);
    branch.wish = undefined;
    if (this.branches.every(({ left }) => left)) this.close();
    else this.pullIfWanted();
  }

  /** Every reader that still reads is told `reason`, and the source is closed. */
  fail(reason: unknown): void {
    if (this.ended) return;
    this.failure = { reason };
    this.close();
    for (const branch of this.branches) {
      branch.wish?.reject(reason);
      branch.wish = undefined;
    }
  }

  private next(branch: Branch): Promise<IteratorResult<Uint8Array>> {
    if (this.failure) return Promise.reject(this.failure.reason);
    if (this.ended || branch.left) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      branch.wish = { resolve, reject };
      this.pullIfWanted();
    });
  }

  private pullIfWanted(): void {
    const reading = this.branches.filter(({ left }) => !left);
    if (this.pulling || this.ended || reading.length === 0 || reading.some(({ wish }) => !wish)) return;
    this.pulling = true;
    this.source.next().then(
      (result) => {
        this.pulling = false;
        this.deliver(result);
      },
      (reason: unknown) => {
        this.pulling = false;
        this.fail(reason);
      },
    );
  }

  private deliver(result: IteratorResult<Uint8Array>): void {
    if (this.ended) return;
    if (result.done) this.ended = true;
    for (const branch of this.branches) {
      branch.wish?.resolve(result.done ? DONE : result);
      branch.wish = undefined;
    }
  }

  /** Not awaited: a source that is still waiting for its next piece answers only after that piece. */
  private close(): void {
    if (this.ended) return;
    this.ended = true;
    this.source.return?.()?.catch(() => undefined);
  }
}

/**
 * Gives one pass over `source` to several consumers at once; each sees every piece, the slowest holds the others, and nothing is buffered. A piece is
 * valid until its consumer asks for the next. All must read at the same time: one that waits for another's result before it reads waits for ever.
 *
 * Resolves with all results. When a consumer or the source fails, the others meet the same error at their next read, the source is closed, and once all
 * have settled the first error is thrown. A consumer that stops early leaves the rest to the others.
 */
export async function fanOut<T extends readonly unknown[]>(
  source: AsyncIterable<Uint8Array>,
  ...consumers: { readonly [K in keyof T]: (bytes: AsyncIterable<Uint8Array>) => Promise<T[K]> }
): Promise<T> {
  const splitter = new Splitter(source, consumers.length);
  let first: { readonly reason: unknown } | undefined;
  const results = await Promise.all(
    consumers.map(async (consume, index): Promise<unknown> => {
      try {
        const result: unknown = await consume(splitter.branch(index));
        splitter.leave(index);
        return result;
      } catch (reason) {
        first ??= { reason };
        splitter.fail(reason);
        return undefined;
      }
    }),
  );
  if (first) throw first.reason;
  return results as unknown as T;
}
