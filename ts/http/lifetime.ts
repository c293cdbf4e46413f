import type { Clock } from '../lib/clock.js';
import { deadline } from '../lib/deadlines.js';
import type { ClientPresence } from './context.js';

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
  private readonly clock: Clock;
  private readonly limit: number;
  private readonly client: ClientPresence | undefined;
  private readonly onGone = (): void => this.end(new ClientGone());
  private controller: AbortController | undefined;
  private giveUp: ((reason: unknown) => void) | undefined;
  private reason: unknown;
  /** On the clock that never runs backwards. */
  readonly began: number;
  private moved: number;
  private timer: { cancel(): void } | undefined;

  constructor(clock: Clock, limit: number, client: ClientPresence | undefined) {
    this.clock = clock;
    this.limit = limit;
    this.client = client;
    this.began = clock.monotonic();
    this.moved = this.began;
    this.timer = deadline(clock, limit, () => this.late());
    if (client?.gone) this.onGone();
    else client?.listen(this.onGone);
  }

  /**
   * Aborted with `ClientGone` or `TimeIsUp`. It outlives the answer's head: what streams afterwards hangs on it too. Made when somebody asks: on the
   * shortest way through the pipeline it would be the dearest thing.
   */
  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.reason !== undefined) this.controller.abort(this.reason);
    }
    return this.controller.signal;
  }

  /** The client does its part: the time starts anew. */
  touch(): void {
    this.moved = this.clock.monotonic();
  }

  /** From here on only the client's going counts, and not even that where nothing streams. */
  answered(streaming: boolean): void {
    this.timer?.cancel();
    this.timer = undefined;
    if (!streaming) this.client?.listen(undefined);
  }

  /** The result of `work`, or the reason why it was given up; a result that comes later goes to `late`, a late failure nowhere. */
  race<T>(work: Promise<T>, late: (result: T) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      this.giveUp = reject;
      if (this.reason !== undefined) reject(this.reason);
      work.then((result) => {
        this.giveUp = undefined;
        if (this.reason !== undefined) late(result);
        resolve(result);
      }, reject);
    });
  }

  private end(reason: unknown): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.controller?.abort(reason);
    this.giveUp?.(reason);
  }

  private late(): void {
    const left = this.moved + this.limit - this.clock.monotonic();
    if (left > 0) this.timer = this.clock.after(Math.ceil(left), () => this.late());
    else this.end(new TimeIsUp(this.limit));
  }
}
