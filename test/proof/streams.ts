import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import { startVersitygw } from '../servers/versitygw.js';
import { type Cluster, memoryOf, onBucket, type Process, startCluster } from './cluster.js';

export const MIB = 1024 ** 2;

/** Streams take minutes: they run where everything has to. */
export const heavy = process.env['REQUIRE_CLIENTS'] === '1';
if (!heavy) console.log('skipped: streams of some GiB take minutes; REQUIRE_CLIENTS=1 runs them');

/** A connection for each stream. */
export const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });

export const answerTo = async (sent: ClientRequest): Promise<IncomingMessage> =>
  ((await once(sent, 'response')) as [IncomingMessage])[0];

/** One server, on a folder or on a bucket. */
export class Site {
  private cluster: Cluster | undefined;
  private stopStore: (() => Promise<void>) | undefined;

  async start(where: 'on a folder' | 'on a bucket'): Promise<Process> {
    const options = where === 'on a bucket' ? await this.bucket() : {};
    this.cluster = await startCluster({ processes: 1, ...options });
    return this.cluster.processes[0] as Process;
  }

  async stop(): Promise<void> {
    await this.cluster?.stop();
    await this.stopStore?.();
    [this.cluster, this.stopStore] = [undefined, undefined];
  }

  private async bucket(): Promise<ReturnType<typeof onBucket>> {
    const s3 = await startVersitygw({ version: '1.8.0' });
    this.stopStore = () => s3.stop();
    return onBucket(s3);
  }
}

export const PLACES = ['on a folder', 'on a bucket'] as const;

/** By how many MiB the server's memory rose above what it was, at its worst. What first requests load and compile is not counted. */
export async function growth({ pid }: Process, what: string, act: () => Promise<unknown>): Promise<number> {
  const before = memoryOf(pid, 'VmRSS');
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const began = performance.now();
  await act();
  const grown = (memoryOf(pid, 'VmHWM') - before) / MIB;
  const seconds = (performance.now() - began) / 1000;
  console.log(`${what}: from ${Math.round(before / MIB)} MiB by ${Math.round(grown)} MiB, ${seconds.toFixed(1)} s`);
  return grown;
}
