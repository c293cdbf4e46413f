import { unlessAborted } from '../lib/next-flight.js';

interface Flight<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  readonly onProgress: Set<() => void>;
  waiting: number;
}

/** What a flight is given: a signal that ends when nobody waits any more, and a way to tell those who wait that it moves on. */
export interface FlightControls {
  readonly signal: AbortSignal;
  readonly progress: () => void;
}

/** Somebody who waits. */
export interface Waiting {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: (() => void) | undefined;
}

/** The same thing is done once for all who want it at a time. Whoever leaves takes nobody along; when all have left, it ends. */
export class Flights<T> {
  private readonly underWay = new Map<string, Flight<T>>();

  /** Joins what is under way under this key, or begins it. Fails for everybody as it fails. */
  async run(key: string, who: Waiting, work: (controls: FlightControls) => Promise<T>): Promise<T> {
    const flight = this.underWay.get(key) ?? this.begin(key, work);
    const { progress } = who;
    flight.waiting++;
    if (progress) flight.onProgress.add(progress);
    try {
      return await unlessAborted(flight.result, who.signal);
    } finally {
      flight.waiting--;
      if (progress) flight.onProgress.delete(progress);
      if (flight.waiting === 0) {
        this.forget(key, flight);
        flight.abort.abort(new DOMException('nobody waits any more', 'AbortError'));
      }
    }
  }

  private begin(key: string, work: (controls: FlightControls) => Promise<T>): Flight<T> {
    const abort = new AbortController();
    const onProgress = new Set<() => void>();
    const progress = (): void => {
      for (const tell of onProgress) tell();
    };
    const result = Promise.resolve().then(() => work({ signal: abort.signal, progress }));
    const flight: Flight<T> = { result, abort, onProgress, waiting: 0 };
    this.underWay.set(key, flight);
    const ended = (): void => this.forget(key, flight);
    result.then(ended, ended);
    return flight;
  }

  private forget(key: string, flight: Flight<T>): void {
    if (this.underWay.get(key) === flight) this.underWay.delete(key);
  }
}
