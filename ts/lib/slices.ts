import type { Clock } from './clock.js';

/** Long work that may rest after each of its slices, which take a millisecond or two. What it works on must not change meanwhile. */
export type Sliced<T> = Generator<undefined, T, undefined>;

/** All slices in a row. Throws what one of them throws. */
export function atOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const slice = work.next();
    if (slice.done) return slice.value;
  }
}

/** Milliseconds that such work may take in one turn of the event loop. */
const TURN_MS = 5;

/** Whose turn it is: one piece of work goes on per turn of the event loop. Many at once would take as many times as long. */
class Queue {
  private readonly clock: Clock;
  private readonly waiting: (() => void)[] = [];
  private planned = false;
  working = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.plan();
    });
  }

  private plan(): void {
    if (this.planned || this.waiting.length === 0) return;
    this.planned = true;
    this.clock.afterTurn?.(() => {
      this.planned = false;
      this.waiting.shift()?.();
      this.plan();
    });
  }
}

const queues = new WeakMap<Clock, Queue>();

function queueOf(clock: Clock): Queue {
  const queue = queues.get(clock) ?? new Queue(clock);
  queues.set(clock, queue);
  return queue;
}

/**
 * The result of the work. Every few milliseconds whatever else has arrived has its turn; where the clock has no turns of an event loop, all slices are done
 * in a row. Rejects with what one of them throws.
 */
export async function inTurns<T>(clock: Clock, work: Sliced<T>): Promise<T> {
  if (!clock.afterTurn) return atOnce(work);
  const queue = queueOf(clock);
  if (queue.working > 0) await queue.turn();
  queue.working++;
  try {
    for (let began = clock.monotonic(); ; ) {
      const slice = work.next();
      if (slice.done) return slice.value;
      if (clock.monotonic() - began < TURN_MS) continue;
      await queue.turn();
      began = clock.monotonic();
    }
  } finally {
    queue.working--;
  }
}

/** Bytes of one slice: to hash or copy them takes a millisecond. */
const SLICE_BYTES = 1024 * 1024;

/** The pieces as one. */
export function* joined(pieces: readonly Uint8Array[]): Sliced<Uint8Array<ArrayBuffer>> {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  let rested = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
    if (at - rested < SLICE_BYTES) continue;
    rested = at;
    yield;
  }
  return whole;
}

/** Hands over all bytes, so many in each slice. */
export function* piecewise(bytes: Uint8Array, take: (piece: Uint8Array) => void): Sliced<void> {
  for (let at = 0; at < bytes.byteLength; at += SLICE_BYTES) {
    take(bytes.subarray(at, at + SLICE_BYTES));
    yield;
  }
}
