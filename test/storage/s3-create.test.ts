import { describe, expect, it } from 'vitest';
import { answer } from '../servers/fake-s3.js';
import { bytes, chunks, kindOf, MIB, s3Fixture } from './s3-fixture.js';

const create = { ifAbsent: true } as const;

describe('S3 creates', () => {
  const on = s3Fixture();

  it('are written once and exist afterwards; the condition is sent and the body signed', async () => {
    expect(await on.driver.write('log/a', bytes('one'), create)).toBe('written');
    expect(await on.driver.write('log/a', bytes('two'), create)).toBe('exists');
    expect(on.fake.store.objects.get('log/a')?.body.toString()).toBe('one');
    for (const seen of on.fake.requests) {
      expect(seen).toMatchObject({ operation: 'put', bodySigned: true, headers: { 'if-none-match': '*' } });
      expect(seen.headers.expect).toBeUndefined();
    }
    expect(on.fake.requests).toHaveLength(2);
  });

  it('S5: 409 is a conflict, not "exists"', async () => {
    for (const code of ['ConditionalRequestConflict', 'OperationAborted']) {
      on.fake.fail('put', answer(409, code));
      expect(await kindOf(on.driver.write('log/a', bytes('one'), create))).toBe('conflict');
    }
    expect(on.fake.store.objects.size).toBe(0);
    expect(on.fake.count('put')).toBe(2);
  });

  it('a store that gets in its own way (versitygw: folder being deleted) is asked again: nothing was done', async () => {
    on.fake.fail('put', answer(409, 'ExistingObjectIsDirectory'));
    expect(await on.driver.write('log/a', bytes('one'), create)).toBe('written');
    on.fake.fail('put', answer(409, 'ExistingObjectIsDirectory'), 3);
    expect(await kindOf(on.driver.write('log/b', bytes('one'), create))).toBe('conflict');
  });

  it('a create that was applied and whose answer is lost is unknown, and is not sent again', async () => {
    on.fake.fail('put', { kind: 'applied-reset' });
    expect(await kindOf(on.driver.write('log/a', bytes('one'), create))).toBe('unknown');
    expect(on.fake.count('put')).toBe(1);
    expect(on.fake.store.objects.has('log/a')).toBe(true);
  });

  it('a create that is not answered in time is unknown', async () => {
    const driver = on.another({ callTimeout: 150 });
    on.fake.fail('put', { kind: 'applied-hang' });
    expect(await kindOf(driver.write('log/a', bytes('one'), create))).toBe('unknown');
    expect(on.fake.count('put')).toBe(1);
  });

  for (const status of [500, 502, 503, 504]) {
    it(`${status} after a create may have been applied is unknown`, async () => {
      on.fake.fail('put', { kind: 'applied-answer', status, body: '<html>gateway</html>' });
      expect(await kindOf(on.driver.write('log/a', bytes('one'), create))).toBe('unknown');
      expect(on.fake.count('put')).toBe(1);
    });
  }

  it('SlowDown says that nothing was done: unavailable, and not sent again either', async () => {
    on.fake.fail('put', answer(503, 'SlowDown'));
    expect(await kindOf(on.driver.write('log/a', bytes('one'), create))).toBe('unavailable');
    expect(on.fake.count('put')).toBe(1);
  });

  it('a store that cannot be reached is unavailable', async () => {
    const driver = on.another({ endpoint: 'http://127.0.0.1:1' });
    expect(await kindOf(driver.write('log/a', bytes('one'), create))).toBe('unavailable');
  });

  it('refused credentials are denied; a full store is full; a missing bucket is denied', async () => {
    on.fake.fail('put', answer(403, 'AccessDenied'));
    expect(await kindOf(on.driver.write('log/a', bytes('one'), create))).toBe('denied');
    on.fake.fail('put', answer(507, 'InsufficientStorage'));
    expect(await kindOf(on.driver.write('log/a', bytes('one'), create))).toBe('full');
    on.fake.fail('put', answer(404, 'NoSuchBucket'));
    expect(await kindOf(on.driver.write('log/a', bytes('one'), create))).toBe('denied');
  });

  it('S15: a skewed clock or an expired session is unavailable, not denied', async () => {
    for (const [status, code] of [
      [403, 'RequestTimeTooSkewed'],
      [400, 'ExpiredToken'],
    ] as const) {
      on.fake.fail('put', answer(status, code));
      expect(await kindOf(on.driver.write('log/a', bytes('one'), create))).toBe('unavailable');
    }
    expect(await on.driver.write('log/a', bytes('one'), create)).toBe('written');
  });

  it('cut by the caller while under way may have been applied', async () => {
    const abort = new AbortController();
    on.fake.fail('put', { kind: 'applied-hang' });
    const writing = kindOf(on.driver.write('log/a', bytes('one'), { ...create, signal: abort.signal }));
    while (!on.fake.store.objects.has('log/a')) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    expect(await writing).toBe('unknown');
    const before = on.fake.count('put');
    expect(await kindOf(on.driver.write('log/b', bytes('one'), { ...create, signal: abort.signal }))).toBe('aborted');
    expect(on.fake.count('put')).toBe(before);
  });

  it('take small streams, and refuse more than 1 MiB before anything is sent', async () => {
    expect(await on.driver.write('log/a', chunks(3, 1_000), create)).toBe('written');
    expect(on.fake.store.objects.get('log/a')?.body.byteLength).toBe(3_000);
    const before = on.fake.requests.length;
    expect(await kindOf(on.driver.write('log/b', chunks(17, MIB / 16), create))).toBe('invalid');
    expect(await kindOf(on.driver.write('log/b', new Uint8Array(MIB + 1), create))).toBe('invalid');
    expect(on.fake.requests).toHaveLength(before);
  });
});
