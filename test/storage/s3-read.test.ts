import { describe, expect, it } from 'vitest';
import type { StoredObject } from '../../ts/storage/driver.js';
import { answer } from '../servers/fake-s3.js';
import { bytes, kindOf, MIB, readAll, s3Fixture } from './s3-fixture.js';

function streamOf(found: StoredObject | undefined): ReadableStream<Uint8Array> {
  if (!(found?.body instanceof ReadableStream)) throw new Error('no stream');
  return found.body;
}

describe('S3 reads', () => {
  const on = s3Fixture();

  it('small objects come as bytes, larger ones as a stream, with size and the store’s time', async () => {
    on.fake.store.put('small', Buffer.alloc(65_536, 1));
    on.fake.store.put('large', Buffer.alloc(65_537, 2));
    const small = await on.driver.read('small');
    expect(small?.body).toBeInstanceOf(Uint8Array);
    expect(small).toMatchObject({ size: 65_536 });
    const large = await on.driver.read('large');
    expect(large?.body).toBeInstanceOf(ReadableStream);
    expect((await readAll(large?.body ?? new Uint8Array())).equals(Buffer.alloc(65_537, 2))).toBe(true);
    const stored = on.fake.store.objects.get('small')?.modified ?? 0;
    expect(small?.modified).toBe(Math.floor(stored / 1_000) * 1_000);
    expect(await on.driver.stat('large')).toMatchObject({ size: 65_537 });
  });

  it('an empty object is empty bytes', async () => {
    on.fake.store.put('empty', Buffer.alloc(0));
    expect(await on.driver.read('empty')).toMatchObject({ size: 0, body: new Uint8Array(0) });
  });

  it('large streams come in chunks of more than 64 KiB', async () => {
    on.fake.store.put('large', Buffer.alloc(8 * MIB, 3));
    const found = await on.driver.read('large');
    const sizes: number[] = [];
    for await (const chunk of streamOf(found) as unknown as AsyncIterable<Uint8Array>) sizes.push(chunk.byteLength);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(8 * MIB);
    expect(Math.max(...sizes)).toBeGreaterThan(65_536);
  });

  it('readers who look away keep nobody else from the store, however many they are', async () => {
    on.fake.store.put('large', Buffer.alloc(MIB, 3));
    const driver = on.another({ callTimeout: 30_000 });
    const stalled: (StoredObject | undefined)[] = [];
    for (let batch = 0; batch < 6; batch += 1) {
      stalled.push(...(await Promise.all(Array.from({ length: 50 }, () => driver.read('large')))));
    }
    expect(await driver.stat('large')).toMatchObject({ size: MIB });
    expect(await driver.write('other', bytes('x'), { ifAbsent: true })).toBe('written');
    expect((await driver.read('other'))?.size).toBe(1);
    for (const found of stalled) await streamOf(found).cancel();
  });

  it('ranges: the bytes asked for, and the size of the whole', async () => {
    on.fake.store.put('abc', Buffer.from('abcdefgh'));
    const found = await on.driver.read('abc', { range: { start: 2, end: 4 } });
    expect(found?.size).toBe(8);
    expect(Buffer.from(found?.body as Uint8Array).toString()).toBe('cde');
    expect(await kindOf(on.driver.read('abc', { range: { start: 8, end: 9 } }))).toBe('invalid');
  });

  it('what is missing is undefined, for HEAD and GET', async () => {
    expect(await on.driver.stat('missing')).toBeUndefined();
    expect(await on.driver.read('missing')).toBeUndefined();
    expect(on.fake.requests).toHaveLength(2);
  });

  it('a 404 that is not the store’s own says nothing about the object', async () => {
    on.fake.store.put('log/a', Buffer.from('x'));
    on.fake.fail('get', { kind: 'answer', status: 404, body: '<html>wrong proxy</html>' }, 3);
    expect(await kindOf(on.driver.read('log/a'))).toBe('unavailable');
  });

  it('a missing bucket is denied, not "absent"', async () => {
    on.fake.fail('get', answer(404, 'NoSuchBucket'));
    expect(await kindOf(on.driver.read('log/a'))).toBe('denied');
  });

  it('403 is denied', async () => {
    on.fake.fail('get', answer(403, 'AccessDenied'));
    on.fake.fail('head', answer(403, 'AccessDenied'));
    expect(await kindOf(on.driver.read('a'))).toBe('denied');
    expect(await kindOf(on.driver.stat('a'))).toBe('denied');
  });

  for (const size of [1_000, 400_000]) {
    it(`S5: a body of ${size} bytes that is cut in the middle is an error, never a clean end`, async () => {
      on.fake.store.put('a', Buffer.alloc(size));
      on.fake.fail('get', { kind: 'truncate' });
      const reading = on.driver.read('a').then((found) => readAll(found?.body ?? new Uint8Array()));
      expect(await kindOf(reading)).toBe('unavailable');
    });
  }

  it('an answer that does not say how long it is is not believed', async () => {
    on.fake.store.put('a', Buffer.alloc(400_000));
    on.fake.fail('get', { kind: 'short' });
    expect(await kindOf(on.driver.read('a'))).toBe('unavailable');
  });

  it('S6: a store that stops sending is given up on', async () => {
    on.fake.store.put('a', Buffer.alloc(400_000));
    on.fake.fail('get', { kind: 'stall' });
    const found = await on.another({ idleTimeout: 100 }).read('a');
    expect(await kindOf(readAll(found?.body ?? new Uint8Array()))).toBe('unavailable');
  });

  it('S6: a reader that is slow is not: silence counts only while somebody waits', async () => {
    on.fake.store.put('a', Buffer.alloc(4 * MIB));
    const found = await on.another({ idleTimeout: 60 }).read('a');
    const reader = streamOf(found).getReader();
    let size = 0;
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      if (size === 0) await new Promise((resolve) => setTimeout(resolve, 200));
      size += step.value.byteLength;
    }
    expect(size).toBe(4 * MIB);
  });

  it('S6: a store that never answers is unavailable after the time limit', async () => {
    on.fake.fail('get', { kind: 'hang' }, 3);
    expect(await kindOf(on.another({ callTimeout: 500 }).read('a'))).toBe('unavailable');
    expect(on.fake.requests).toHaveLength(3);
  });

  it('S6: 200 cancelled downloads leave no socket in use', async () => {
    on.fake.store.put('a', Buffer.alloc(2 * MIB));
    await on.driver.stat('a');
    for (let round = 0; round < 20; round += 1) {
      const found = await Promise.all(Array.from({ length: 10 }, () => on.driver.read('a')));
      await Promise.all(found.map((one) => streamOf(one).cancel()));
    }
    const looks = 200;
    let open = await on.fake.connections();
    for (let look = 0; look < looks && open > 1; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      open = await on.fake.connections();
    }
    expect(open).toBeLessThanOrEqual(1);
    expect((await on.driver.read('a'))?.size).toBe(2 * MIB);
  });

  it('the caller’s signal ends a download that is under way', async () => {
    on.fake.store.put('a', Buffer.alloc(400_000));
    on.fake.fail('get', { kind: 'stall' });
    const abort = new AbortController();
    const found = await on.driver.read('a', { signal: abort.signal });
    const reading = kindOf(readAll(found?.body ?? new Uint8Array()));
    setTimeout(() => abort.abort(), 20);
    expect(await reading).toBe('aborted');
  });

  it('S5: reads are sent again after 500, 503, 429 and resets', async () => {
    on.fake.store.put('a', Buffer.from('here'));
    for (const fault of [
      answer(500, 'InternalError'),
      answer(503, 'SlowDown'),
      answer(429, 'TooManyRequests'),
      { kind: 'reset' } as const,
    ]) {
      on.fake.fail('get', fault, 2);
      expect(Buffer.from((await on.driver.read('a'))?.body as Uint8Array).toString()).toBe('here');
    }
  });

  it('keys stay inside the configured prefix, and come back without it', async () => {
    const driver = on.another({ prefix: '/team/store/' });
    await driver.write('log/a', bytes('one'));
    expect([...on.fake.store.objects.keys()]).toEqual(['team/store/log/a']);
    expect((await driver.list('log/')).objects.map(({ key }) => key)).toEqual(['log/a']);
    expect(await driver.stat('log/a')).toMatchObject({ size: 3 });
    expect(() => on.another({ prefix: '../up' })).toThrow('prefix');
  });
});
