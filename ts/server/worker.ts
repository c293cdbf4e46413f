import type { MetricsSnapshot } from './metrics.js';
import { onSignal } from './on-signal.js';
import type { ServerOptions } from './options.js';
import { sentence } from './sentence.js';
import { type RunningServer, serve } from './serve.js';
import type { FromWorker, ToWorker } from './workers.js';

const tell = (message: FromWorker): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

/** One of several processes on one port. Its parent says when to stop; when the parent is gone it stops by itself. Resolves with the exit code. */
export async function runWorker(options: ServerOptions): Promise<number> {
  // Ctrl-C reaches the whole group: the parent passes it on as SIGTERM.
  onSignal('SIGINT', () => undefined);
  const told = new Promise<void>((resolve) => {
    onSignal('SIGTERM', resolve);
    process.once('disconnect', resolve);
  });
  let running: RunningServer;
  try {
    running = await serve(options, { allMetrics: askParent(), opensFirst: true });
  } catch (error) {
    tell({ type: 'failed', why: sentence(error) });
    return 1;
  }
  process.on('message', (message: ToWorker) => {
    if (message.type === 'metrics-wanted') tell({ type: 'metrics', id: message.id, own: running.metrics() });
  });
  tell({ type: 'listening', url: running.url });
  await told;
  await running.stop();
  return 0;
}

/** The parent answers within a second, or not at all when it is gone: then this process speaks for itself. */
function askParent(): (own: MetricsSnapshot) => Promise<readonly MetricsSnapshot[]> {
  let questions = 0;
  return (own) =>
    new Promise((resolve) => {
      const id = questions++;
      const answered = (message: ToWorker): void => {
        if (message.type === 'metrics' && message.id === id) finish(message.all);
      };
      const alone = (): void => finish([own]);
      const finish = (all: readonly MetricsSnapshot[]): void => {
        process.off('message', answered);
        process.off('disconnect', alone);
        resolve(all);
      };
      if (!process.connected) return resolve([own]);
      process.on('message', answered);
      process.once('disconnect', alone);
      tell({ type: 'metrics-wanted', id, own });
    });
}
