import { inspect } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import { RetryBudget, retryDelay } from '../../ts/storage/drivers/s3-retry.js';
import { StorageError } from '../../ts/storage/storage-error.js';
import { hurriedRuntime } from '../servers/fake-runtime.js';
import { answer } from '../servers/fake-s3.js';
import { bytes, kindOf, s3Fixture } from './s3-fixture.js';

describe('S3 retries', () => {
  const on = s3Fixture();

  it('S5: at most three attempts', async () => {
    on.fake.fail('head', answer(503, 'SlowDown'), 10);
    expect(await kindOf(on.driver.stat('a'))).toBe('unavailable');
    expect(on.fake.count('head')).toBe(3);
    expect(on.runtime.pauses).toEqual([50, 100]);
  });

  it('S5: a store that is down for long gets at most a tenth more requests than asked', async () => {
    const calls = process.env['REQUIRE_CLIENTS'] ? 400 : 150;
    on.fake.fail('head', answer(503, 'SlowDown'), 10 * calls);
    for (let call = 0; call < calls; call += 1) await kindOf(on.driver.stat('a'));
    const burst = 10;
    expect(on.fake.count('head')).toBeLessThanOrEqual(calls * 1.1 + burst);
    expect(on.fake.count('head')).toBeGreaterThan(calls);
  });

  it('S5: drivers that share a budget share its limit', async () => {
    const retryBudget = new RetryBudget();
    const drivers = [on.another({ retryBudget }), on.another({ retryBudget })];
    on.fake.fail('head', answer(503, 'SlowDown'), 1_000);
    for (let call = 0; call < 50; call += 1) for (const driver of drivers) await kindOf(driver.stat('a'));
    expect(on.fake.count('head')).toBeLessThanOrEqual(100 * 1.1 + 10);
  });

  it('S5: Retry-After is waited out, up to ten seconds', async () => {
    on.fake.fail('head', answer(503, 'SlowDown', { 'retry-after': '2' }));
    on.fake.fail('head', answer(503, 'SlowDown', { 'retry-after': '3600' }));
    expect(await on.driver.stat('a')).toBeUndefined();
    expect(on.runtime.pauses).toEqual([2_050, 10_100]);
  });

  it('pauses are jittered over their whole length and bounded', () => {
    expect(retryDelay(hurriedRuntime(0), 1, undefined)).toBe(0);
    expect(retryDelay(hurriedRuntime(0.999), 1, undefined)).toBe(100);
    expect(retryDelay(hurriedRuntime(0.999), 2, undefined)).toBe(200);
    expect(retryDelay(hurriedRuntime(0.999), 40, undefined)).toBe(4_995);
  });

  it('what the store calls wrong is not sent again', async () => {
    on.fake.fail('get', answer(400, 'InvalidRequest'));
    expect(await kindOf(on.driver.read('a'))).toBe('invalid');
    on.fake.fail('get', answer(403, 'AccessDenied'));
    expect(await kindOf(on.driver.read('a'))).toBe('denied');
    expect(on.fake.count('get')).toBe(2);
  });

  it('the caller’s signal ends the pause between attempts', async () => {
    const driver = on.another({ runtime: systemRuntime });
    on.fake.fail('head', answer(503, 'SlowDown', { 'retry-after': '10' }), 3);
    const abort = new AbortController();
    const reading = kindOf(driver.stat('a', { signal: abort.signal }));
    while (on.fake.count('head') === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    expect(await reading).toBe('aborted');
    expect(on.fake.count('head')).toBe(1);
  });

  it('a process that only waits for the next attempt does not end', async () => {
    const intervals = vi.spyOn(globalThis, 'setInterval');
    const cleared = vi.spyOn(globalThis, 'clearInterval');
    on.fake.fail('head', answer(503, 'SlowDown'));
    expect(await on.driver.stat('a')).toBeUndefined();
    const held = intervals.mock.results.map(({ value }) => value as unknown);
    expect(held).toHaveLength(1);
    expect(cleared.mock.calls.map(([handle]) => handle as unknown)).toContain(held[0]);
    vi.restoreAllMocks();
  });

  it('messages name the operation and the code, never the store’s own text', async () => {
    const body = '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>host 10.0.0.7 secret</Message></Error>';
    on.fake.fail('head', answer(500, 'InternalError'), 3);
    on.fake.fail('get', { kind: 'answer', status: 500, body }, 3);
    const failure = await on.driver.read('log/a').catch((error: Error) => error.message);
    expect(failure).toBe('s3: read log/a: the store failed (InternalError)');
  });

  it('L1: no key, signature or session token is anywhere in an error', async () => {
    const credentials = { accessKeyId: 'canary-id', secretAccessKey: 'canary-secret', sessionToken: 'canary-token' };
    const driver = on.another({ credentials });
    on.fake.fail('get', answer(403, 'AccessDenied'));
    on.fake.fail('put', { kind: 'reset' });
    const abort = new AbortController();
    on.fake.fail('head', { kind: 'hang' });
    const failures = [
      await driver.read('a').catch((error: unknown) => error),
      await driver.write('a', bytes('x'), { ifAbsent: true }).catch((error: unknown) => error),
    ];
    const waiting = driver.stat('a', { signal: abort.signal }).catch((error: unknown) => error);
    while (on.fake.count('head') === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    failures.push(await waiting);
    expect(on.fake.requests[0]?.headers['x-amz-security-token']).toBe('canary-token');
    for (const failure of failures) {
      expect(failure).toBeInstanceOf(StorageError);
      expect(inspect(failure, { depth: null, showHidden: true })).not.toMatch(/canary|Signature/);
    }
  });
});
