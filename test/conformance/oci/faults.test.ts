import { expect, it } from 'vitest';
import { systemRuntime } from '../../../ts/lib/clock.js';
import type { StorageDriver } from '../../../ts/storage/driver.js';
import { MemoryDriver } from '../../../ts/storage/drivers/memory.js';
import { StorageError } from '../../../ts/storage/storage-error.js';
import { type Answered, type Asked, digestOf, IMAGE, LAYER, registry } from '../../protocols/oci/rig.js';

const CALLS = new Set(['stat', 'read', 'write', 'delete', 'list', 'copy']);

/** One call in twenty fails: half of them before anything was done, half of them after it. The same calls in every run. */
function flaky(inner: StorageDriver): { readonly driver: StorageDriver; calm: boolean; readonly failures: () => number } {
  let seed = 20_260_101;
  let failures = 0;
  const chance = (): number => {
    seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return seed / 2 ** 32;
  };
  const control = {
    calm: true,
    failures: () => failures,
    driver: new Proxy(inner, {
      get(target, name) {
        const own: unknown = Reflect.get(target, name);
        if (typeof own !== 'function' || !CALLS.has(String(name))) return own;
        return async (...args: unknown[]): Promise<unknown> => {
          const dice = control.calm ? 1 : chance();
          if (dice < 0.05) failures += 1;
          if (dice < 0.025) throw new StorageError('unavailable', 'injected');
          const answer: unknown = await own.apply(target, args);
          if (dice < 0.05)
            throw new StorageError(name === 'read' || name === 'stat' || name === 'list' ? 'unavailable' : 'unknown', 'injected');
          return answer;
        };
      },
    }),
  };
  return control;
}

it('S5, I8: a client that retries gets every image in, whole, while one storage call in twenty fails', async () => {
  const store = flaky(new MemoryDriver({ runtime: systemRuntime }));
  const oci = await registry({ driver: store.driver });
  store.calm = false;

  const patiently = async (method: string, path: string, asked: Asked = {}): Promise<Answered> => {
    for (let tries = 0; tries < 40; tries++) {
      const answer = await oci.request(method, path, asked);
      if (answer.status < 500) return answer;
      expect(answer.status).toBe(503);
    }
    throw new Error(`${method} ${path}: no answer in forty tries`);
  };
  /** Asks where the upload stands before it goes on, as clients do; a session that is gone begins anew. */
  const blob = async (name: string, bytes: string): Promise<{ digest: string; size: number }> => {
    const digest = digestOf(bytes);
    for (let tries = 0; tries < 40; tries++) {
      if ((await patiently('HEAD', `/v2/${name}/blobs/${digest}`)).status === 200) return { digest, size: bytes.length };
      const location =
        (await patiently('POST', `/v2/${name}/blobs/uploads/`, { body: new Uint8Array(0) })).headers['location'] ?? '';
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(bytes.length, at + 40) - 1;
        const headers = { 'content-range': `${at}-${end}` };
        const sent = await oci.request('PATCH', location, { body: bytes.slice(at, end + 1), headers });
        if (sent.status === 404) break;
        const status = sent.status === 202 ? sent : await patiently('GET', location);
        const stands = /^0-(\d+)$/.exec(status.headers['range'] ?? '')?.[1] ?? '0';
        at = stands === '0' ? 0 : Number(stands) + 1;
        if (status.status === 404) break;
      }
      const done = await patiently('PUT', `${location}?digest=${digest}`, { body: new Uint8Array(0) });
      // a lost answer: the blob may be here, and the session over
      expect([201, 404]).toContain(done.status);
    }
    throw new Error(`blob ${digest}: not in after forty tries`);
  };

  const texts: string[] = [];
  for (let n = 0; n < 12; n++) {
    const name = `team/app${n % 3}`;
    const config = { mediaType: 'application/vnd.oci.image.config.v1+json', ...(await blob(name, `{"n":${n}}`.padEnd(30))) };
    const layers = [{ mediaType: LAYER, ...(await blob(name, `layer ${n} `.repeat(12))) }];
    const text = JSON.stringify({ schemaVersion: 2, mediaType: IMAGE, config, layers });
    const put = await patiently('PUT', `/v2/${name}/manifests/v${n}`, { body: text, headers: { 'content-type': IMAGE } });
    expect(put.status).toBe(201);
    texts.push(text);
  }
  store.calm = true;
  expect(store.failures()).toBeGreaterThan(10);
  const second = await registry({ driver: store.driver });
  for (const [n, text] of texts.entries()) {
    const got = await second.get(`/v2/team/app${n % 3}/manifests/v${n}`, { token: oci.token });
    expect([got.status, got.text]).toEqual([200, text]);
    for (const { digest, size } of [got.json.config, ...got.json.layers]) {
      const bytes = (await second.get(`/v2/team/app${n % 3}/blobs/${digest}`, { token: oci.token })).bytes;
      expect([bytes.length, digestOf(bytes)]).toEqual([size, digest]);
    }
  }
  await second.close();
  await oci.close();
});
