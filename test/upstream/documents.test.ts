import { expect, it } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import { toReadableStream } from '../../ts/lib/streams.js';
import { DriverObjectStore } from '../../ts/storage/driver-object-store.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { copyBody } from '../../ts/storage/key.js';
import type { Ask } from '../../ts/upstream/ask.js';
import { Copies } from '../../ts/upstream/copies.js';
import { UpstreamDocuments, type Wanted } from '../../ts/upstream/documents.js';

const PKG = 'left-pad-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';

function rig() {
  const runtime = systemRuntime;
  const driver = new SynchronousMemoryDriver({ runtime });
  const copies = new Copies({ repository: 'npm', driver, runtime, objects: new DriverObjectStore(driver, runtime, copyBody) });
  const fail = (error: unknown): never => {
    throw error;
  };
  const documents = new UpstreamDocuments<string>({
    copies,
    runtime,
    cacheBytes: 100,
    onFault: fail,
    onFailure: (_, error) => fail(error),
  });
  const read: string[] = [];
  const there = new Map([
    ['small', 10],
    ['large', 1_000],
    ['other', 1_000],
  ]);
  const ask: Ask = async ({ target }) =>
    there.has(target)
      ? {
          kind: 'content',
          mediaType: '',
          size: undefined,
          etag: undefined,
          lastModified: undefined,
          body: toReadableStream(target),
        }
      : { kind: 'absent' };
  const wanted = (target: string, ttlSeconds: number): Wanted<string> => ({
    place: { upstream: 'a', pkg: PKG, what: target },
    ask,
    target,
    accept: '*/*',
    max: 100,
    cache: { ttlSeconds, negativeTtlSeconds: 0 },
    read: async (bytes) => {
      read.push(target);
      return Buffer.from(bytes).toString();
    },
    weigh: (value) => there.get(value) ?? 0,
  });
  const get = async (target: string, ttlSeconds = 60) => (await documents.get(wanted(target, ttlSeconds)))?.value;
  return { get, read, there };
}

it('reads a document once, however large: the last one that is larger than all that is kept stays', async () => {
  const { get, read } = rig();
  for (const target of ['small', 'large', 'large', 'small', 'large']) expect(await get(target)).toBe(target);
  expect(read).toEqual(['small', 'large']);
  for (const target of ['other', 'small', 'large']) expect(await get(target)).toBe(target);
  expect(read).toEqual(['small', 'large', 'other', 'large']);
});

it('forgets a large one that is there no more', async () => {
  const { get, there } = rig();
  expect(await get('large')).toBe('large');
  there.delete('large');
  expect(await get('large', 0)).toBeUndefined();
  expect(await get('large')).toBeUndefined();
});
