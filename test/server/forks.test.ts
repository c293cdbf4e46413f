import type { ChildProcess } from 'node:child_process';
import type { Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Log } from '../../ts/server/log.js';
import { runWorkers } from '../../ts/server/workers.js';
import { ManualClock } from '../http/manual-clock.js';

/** A child as far as a parent sees it. */
class FakeProcess extends EventEmitter {
  readonly pid: number | undefined;
  readonly sent: unknown[] = [];
  readonly signals: string[] = [];

  constructor(pid: number | undefined) {
    super();
    this.pid = pid;
  }
  send(message: unknown): boolean {
    this.sent.push(message);
    return true;
  }
  kill(signal: string): boolean {
    this.signals.push(signal);
    return true;
  }
}

class FakeWorker extends EventEmitter {
  readonly id = 1;
  readonly process: FakeProcess;
  constructor(pid: number | undefined) {
    super();
    this.process = new FakeProcess(pid);
  }
  isConnected(): boolean {
    return false;
  }
}

/** A parent whose children are made by `make`. */
function parent(make: (at: number) => FakeWorker) {
  const clock = new ManualClock();
  const lines: string[] = [];
  const workers: FakeWorker[] = [];
  let attempts = 0;
  let stop: () => void = () => undefined;
  const told = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const fork = (): Worker => {
    const worker = make(attempts++);
    workers.push(worker);
    return worker as unknown as Worker;
  };
  const log = new Log({ format: 'text', level: 'info', clock, write: (line) => void lines.push(line.replace(/^\S+ /, '')) });
  const over = runWorkers({ count: 1, log, told, clock, fork, onListening: () => undefined });
  return { clock, lines, workers, over, stop, attempts: () => attempts };
}

const noRoom = (): Error => Object.assign(new Error('spawn node EAGAIN'), { code: 'EAGAIN' });

describe('a worker that cannot be started', () => {
  it('is a line in the log and is tried again, ever more slowly: the system says so later', () => {
    const { clock, lines, workers, attempts } = parent((at) => new FakeWorker(at < 9 ? undefined : 7));
    for (let at = 0; at < 9; at += 1) {
      workers[at]?.emit('error', noRoom());
      expect(attempts()).toBe(at + 1);
      const wait = Math.min(100 * 2 ** at, 10_000);
      expect(lines.at(-1)).toBe(`error a worker could not be started (spawn node EAGAIN); another starts in ${wait} ms`);
      clock.advance(wait - 1);
      expect(attempts()).toBe(at + 1);
      clock.advance(1);
      expect(attempts()).toBe(at + 2);
    }
    // from then on it is a worker like any other
    workers[9]?.emit('exit', null, 'SIGKILL');
    expect(lines.at(-1)).toBe('error worker 7 ended (SIGKILL); another starts in 10000 ms');
  });

  it('the system says so at once', () => {
    const { clock, lines, attempts } = parent((at) => {
      if (at < 2) throw noRoom();
      return new FakeWorker(7);
    });
    expect(lines).toEqual(['error a worker could not be started (spawn node EAGAIN); another starts in 100 ms']);
    clock.advance(100);
    expect(lines.at(-1)).toBe('error a worker could not be started (spawn node EAGAIN); another starts in 200 ms');
    clock.advance(200);
    expect([attempts(), lines.length]).toEqual([3, 2]);
  });

  it('is not waited for when all shall stop', async () => {
    const { workers, over, stop, attempts, clock } = parent(() => new FakeWorker(undefined));
    workers[0]?.emit('error', noRoom());
    stop();
    expect(await over).toBe(0);
    clock.advance(60_000);
    expect(attempts()).toBe(1);
  });

  it('one that runs and could not be told something is not replaced before it ends, and then once', () => {
    const { clock, lines, workers, attempts } = parent((at) => new FakeWorker(at + 1));
    workers[0]?.emit('error', new Error('the channel is closed'));
    expect(lines).toEqual(['error worker 1: the channel is closed']);
    workers[0]?.emit('exit', 1, null);
    clock.advance(100);
    expect([attempts(), lines.length]).toEqual([2, 2]);
  });
});

describe('connections that a worker was sent', () => {
  const connection = () => {
    const handle = {
      closed: 0,
      close: (): void => {
        handle.closed += 1;
      },
    };
    return handle;
  };
  const send = (worker: FakeWorker, seq: number, handle: unknown): boolean =>
    (worker.process as unknown as ChildProcess & { send(message: object, handle: unknown): boolean }).send(
      { cmd: 'NODE_CLUSTER', act: 'newconn', key: 'a', seq },
      handle,
    );

  it('and had not taken when it died are closed, so that clients try again; those that it took are not', () => {
    const { workers } = parent((at) => new FakeWorker(at + 1));
    const [worker] = workers as [FakeWorker];
    const [taken, refused, lost] = [connection(), connection(), connection()];
    for (const [seq, handle] of [taken, refused, lost].entries()) expect(send(worker, seq, handle)).toBe(true);
    expect(worker.process.sent).toHaveLength(3);
    worker.process.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack: 0, accepted: true });
    worker.process.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack: 1, accepted: false });
    worker.emit('exit', null, 'SIGKILL');
    expect([taken.closed, refused.closed, lost.closed]).toEqual([0, 0, 1]);
  });

  it('messages of another form are passed on and left alone', () => {
    const { workers } = parent((at) => new FakeWorker(at + 1));
    const [worker] = workers as [FakeWorker];
    const handle = connection();
    for (const message of [undefined, 'text', null, {}, { act: 'newconn' }, { act: 'other', seq: 1 }])
      (worker.process.send as (message: unknown, handle: unknown) => boolean)(message, handle);
    worker.process.emit('internalMessage', undefined);
    worker.emit('exit', 0, null);
    expect([worker.process.sent.length, handle.closed]).toEqual([6, 0]);
  });
});
