import type { Clock } from '../lib/clock.js';

/** The client is gone: there is nobody to answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';

  constructor() {
    super('the client has gone');
  }
}

/** The time for an answer has passed. */
export class TimeIsUp extends Error {
  override readonly name = 'TimeIsUp';

  constructor(milliseconds: number) {
    super(`no answer within ${milliseconds} ms`);
  }
}

/** How long a request is worked on: until the client goes, or until nothing has moved for `limit` milliseconds. */
export class Lifetime {
  /** Aborted with `ClientGone` or `TimeIsUp`. It outlives the answer's head: what streams afterwards hangs on it too. */
  readonly signal: AbortSignal;
  private readonly controller = new AbortController();
  private readonly clock: Clock;
  private readonly limit: number;
  private moved: number;
  private timer: { cancel(): void } | undefined;

  constructor(clock: Clock, limit: number, client: AbortSignal | undefined) {
    this.clock = clock;
    this.limit = limit;
    this.signal = this.controller.signal;
    this.moved = clock.monotonic();
    this.timer = this.arm(limit);
    if (client?.aborted) this.controller.abort(new ClientGone());
    else client?.addEventListener('abort', () => this.controller.abort(new ClientGone()), { once: true });
  }

  /** The client does its part: the time starts anew. */
  touch(): void {
    this.moved = this.clock.monotonic();
  }

  /** From here on only the client's going counts. */
  answered(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** The result of `work`, or the reason why it was given up; a result that comes later goes to `late`, a late failure nowhere. */
  race<T>(work: Promise<T>, late: (result: T) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(this.signal.reason);
      if (this.signal.aborted) giveUp();
      this.signal.addEventListener('abort', giveUp, { once: true });
      work.then(
        (result) => {
          if (this.signal.aborted) late(result);
          this.signal.removeEventListener('abort', giveUp);
          resolve(result);
        },
        (cause) => {
          this.signal.removeEventListener('abort', giveUp);
          reject(cause);
        },
      );
    });
  }

  private arm(milliseconds: number): { cancel(): void } {
    return this.clock.after(milliseconds, () => {
      const left = this.moved + this.limit - this.clock.monotonic();
      if (left > 0) this.timer = this.arm(Math.ceil(left));
      else this.controller.abort(new TimeIsUp(this.limit));
    });
  }
}
