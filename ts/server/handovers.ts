import type { Worker } from 'node:cluster';

/** Of more connections at once than this nothing is known: a worker takes one after the other. */
const MOST = 1_024;

interface Closing {
  close(): void;
}

const fieldsOf = (message: unknown): Readonly<Record<string, unknown>> =>
  typeof message === 'object' && message !== null ? (message as Readonly<Record<string, unknown>>) : {};

const isClosing = (handle: unknown): handle is Closing =>
  typeof handle === 'object' && handle !== null && typeof (handle as Partial<Closing>).close === 'function';

/**
 * Connections that a worker was sent and has not said to have taken. Node's cluster module waits for that word for ever: when the worker dies before, it
 * keeps the connection open, and its client waits for an answer that nobody will give. What passes here are messages inside of Node
 * (`lib/internal/cluster/utils.js`: `newconn` with a `seq`, answered by an `ack`); where they look otherwise, nothing is seen and nothing is done.
 */
export class Handovers {
  private readonly sent = new Map<unknown, Closing>();

  constructor(worker: Worker['process']) {
    const send = worker.send.bind(worker) as (...args: readonly unknown[]) => boolean;
    worker.send = (...args: readonly unknown[]): boolean => {
      this.passes(args[0], args[1]);
      return send(...args);
    };
    worker.on('internalMessage', (message: unknown) => this.sent.delete(fieldsOf(message)['ack']));
  }

  /** The worker is gone: closes what it had not taken, so that the clients try again. Answers how many. */
  drop(): number {
    const { size } = this.sent;
    for (const handle of this.sent.values()) handle.close();
    this.sent.clear();
    return size;
  }

  private passes(message: unknown, handle: unknown): void {
    const { act, seq } = fieldsOf(message);
    if (act === 'newconn' && seq !== undefined && isClosing(handle) && this.sent.size < MOST) this.sent.set(seq, handle);
  }
}
