import type { Worker } from 'node:cluster';
import type { Clock } from '../lib/clock.js';
import { Handovers } from './handovers.js';
import type { Log } from './log.js';
import type { MetricsSnapshot } from './metrics.js';
import { sentence } from './sentence.js';

/** What workers tell their parent. */
export type FromWorker =
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'failed'; readonly why: string }
  /** Somebody asks this worker for what all of them counted. */
  | { readonly type: 'metrics-wanted'; readonly id: number; readonly own: MetricsSnapshot }
  | { readonly type: 'metrics'; readonly id: string; readonly own: MetricsSnapshot };

export type ToWorker =
  | { readonly type: 'metrics-wanted'; readonly id: string }
  | { readonly type: 'metrics'; readonly id: number; readonly all: readonly MetricsSnapshot[] };

export interface WorkersOptions {
  readonly count: number;
  readonly log: Log;
  /** Resolves when everything shall stop. */
  readonly told: Promise<void>;
  readonly clock: Clock;
  /** Starts one more process. May throw, or hand over a worker that tells of an `error` and never exits: the system has no room for it. */
  readonly fork: () => Worker;
  /** Called once, when the first worker listens. */
  readonly onListening: (url: string) => void;
}

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** A worker that lived as long was well. */
const WELL_MS = 60_000;
const KILL_MS = 40_000;
const METRICS_MS = 1_000;

/** Keeps `count` workers alive on one port until told to stop. Resolves with the exit code. */
export function runWorkers(options: WorkersOptions): Promise<number> {
  return new Parent(options).run();
}

class Parent {
  private readonly options: WorkersOptions;
  private readonly clock: Clock;
  private readonly workers = new Set<Worker>();
  /** Answers that a worker waits for, by an id of ours. */
  private readonly asked = new Map<string, (own: MetricsSnapshot) => void>();
  private stopping = false;
  private listening = false;
  private delay = FIRST_DELAY_MS;
  private questions = 0;
  private finish: (code: number) => void = () => undefined;

  constructor(options: WorkersOptions) {
    this.options = options;
    this.clock = options.clock;
  }

  run(): Promise<number> {
    const over = new Promise<number>((resolve) => {
      this.finish = resolve;
    });
    for (let at = 0; at < this.options.count; at++) this.fork();
    void this.options.told.then(() => this.stop());
    return over;
  }

  private fork(): void {
    let worker: Worker;
    try {
      worker = this.options.fork();
    } catch (error) {
      this.again(`a worker could not be started (${sentence(error)})`);
      return;
    }
    const started = this.clock.monotonic();
    const handovers = new Handovers(worker.process);
    this.workers.add(worker);
    worker.on('message', (message: FromWorker) => void this.heard(worker, message));
    worker.on('exit', (code, signal) => {
      handovers.drop();
      const lived = this.clock.monotonic() - started;
      if (lived >= WELL_MS) this.delay = FIRST_DELAY_MS;
      this.left(worker, `worker ${worker.process.pid ?? 0} ended (${signal ?? String(code)})`);
    });
    worker.on('error', (error) => {
      // one that runs and could not be told something is heard of when it ends
      if (worker.process.pid === undefined) this.left(worker, `a worker could not be started (${sentence(error)})`);
      else this.options.log.note('error', `worker ${worker.process.pid}: ${sentence(error)}`);
    });
  }

  private left(worker: Worker, how: string): void {
    if (this.workers.delete(worker)) this.again(how);
  }

  private again(why: string): void {
    if (this.stopping) {
      if (this.workers.size === 0) this.finish(0);
      return;
    }
    this.options.log.note('error', `${why}; another starts in ${this.delay} ms`);
    this.clock.after(this.delay, () => {
      if (!this.stopping) this.fork();
    });
    this.delay = Math.min(this.delay * 2, LONGEST_DELAY_MS);
  }

  private async heard(worker: Worker, message: FromWorker): Promise<void> {
    if (message.type === 'listening' && !this.listening) {
      this.listening = true;
      this.options.onListening(message.url);
    }
    if (message.type === 'failed') this.failed(message.why);
    if (message.type === 'metrics') this.asked.get(message.id)?.(message.own);
    if (message.type === 'metrics-wanted') {
      const others = await Promise.all([...this.workers].filter((one) => one !== worker).map((one) => this.ask(one)));
      const all = [message.own, ...others.filter((one) => one !== undefined)];
      this.tell(worker, { type: 'metrics', id: message.id, all });
    }
  }

  /** What keeps the first worker from listening keeps all others, too. Later ones are tried again. */
  private failed(why: string): void {
    if (this.listening || this.stopping) {
      this.options.log.note('error', why);
      return;
    }
    process.stderr.write(`entrepot: ${why}\n`);
    this.stopping = true;
    for (const worker of this.workers) worker.process.kill('SIGKILL');
    this.finish(1);
  }

  private ask(worker: Worker): Promise<MetricsSnapshot | undefined> {
    const id = `${worker.id}-${this.questions++}`;
    return new Promise((resolve) => {
      const limit = this.clock.after(METRICS_MS, () => done(undefined));
      const done = (own: MetricsSnapshot | undefined): void => {
        limit.cancel();
        this.asked.delete(id);
        resolve(own);
      };
      this.asked.set(id, done);
      this.tell(worker, { type: 'metrics-wanted', id });
    });
  }

  private tell(worker: Worker, message: ToWorker): void {
    // The callback takes the failure to send to a worker that has just died.
    if (worker.isConnected()) worker.send(message, () => undefined);
  }

  private stop(): void {
    if (this.stopping) return;
    this.stopping = true;
    if (this.workers.size === 0) this.finish(0);
    for (const worker of this.workers) worker.process.kill('SIGTERM');
    this.clock.after(KILL_MS, () => {
      for (const worker of this.workers) worker.process.kill('SIGKILL');
    });
  }
}
