import { afterEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../ts/errors/config-error.js';
import { systemRuntime } from '../../ts/lib/clock.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { nameHash, probeResultKey } from '../../ts/storage/key.js';
import { ensureCapable } from '../../ts/storage/probe.js';
import { PROBE_VERSION } from '../../ts/storage/probe-driver.js';
import { hurriedRuntime } from '../servers/fake-runtime.js';
import { answer, type FakeS3, startFakeS3 } from '../servers/fake-s3.js';
import type { Quirks } from '../servers/fake-s3-store.js';
import { driverFor } from '../servers/s3-driver.js';
import { bytes } from './s3-fixture.js';

const running: { fake: FakeS3; driver: StorageDriver }[] = [];
afterEach(async () => {
  for (const { fake, driver } of running.splice(0)) {
    await driver.close?.();
    await fake.stop();
  }
});

async function store(quirks: Quirks = {}) {
  const fake = await startFakeS3(quirks);
  const driver = driverFor(fake, { runtime: hurriedRuntime() });
  running.push({ fake, driver });
  return { fake, driver };
}

const runtime = systemRuntime;

const quick = process.env['REQUIRE_CLIENTS'] !== '1';
if (quick) console.log('shortened: fewer whole probes of seconds each; REQUIRE_CLIENTS=1 makes them all');

async function refusal(driver: StorageDriver): Promise<string> {
  const failure = await ensureCapable(driver, { runtime }).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(ConfigError);
  const { problems } = failure as ConfigError;
  expect(problems).toHaveLength(1);
  expect(problems[0]?.path).toBe('storage');
  return problems[0]?.message ?? '';
}

const resultKey = (driver: { probeIdentity: string }): string =>
  probeResultKey(nameHash(`${PROBE_VERSION} ${driver.probeIdentity}`));

describe('the S3 probe', () => {
  it('passes a store that keeps its promises, and cleans up', async () => {
    const { fake, driver } = await store();
    expect(await ensureCapable(driver, { runtime })).toMatchObject({ mode: 'multi', remembered: false, warnings: [], driver });
    expect([...fake.store.objects.keys()]).toEqual([resultKey(driver)]);
    expect(fake.store.uploads.size).toBe(0);
  });

  it.skipIf(quick)('passes a store that answers 409 to racers', async () => {
    const { driver } = await store({ conflictsWhileBusy: true });
    expect((await ensureCapable(driver, { runtime })).mode).toBe('multi');
  });

  const unfit: readonly (readonly [string, Quirks, RegExp])[] = [
    ['ignores conditions (Garage, s3rver)', { ignoresConditions: true }, /ignores the condition/],
    ['refuses conditions (Backblaze B2)', { refusesConditions: true }, /refuses conditional writes/],
    ['checks conditions too early (older versitygw, SeaweedFS, RustFS)', { racesConditions: true }, /overlapped, 2 succeeded/],
    ['answers 403 for missing keys', { forbidsMissing: true }, /403 instead of 404/],
    ['reads late', { staleReads: 1 }, /not there|other bytes|ignores/],
    ['lists late (StorageGRID)', { staleListings: 1 }, /listing does not show/],
    ['keeps half of a cut upload', { keepsHalves: true }, /cut off half-way/],
    ['lets a loser’s bytes stay', { keepsLast: true }, /replaced the first|other bytes/],
  ];
  for (const [title, quirks, message] of unfit) {
    const slow = quirks.staleListings || quirks.keepsHalves || quirks.forbidsMissing;
    // Each of these takes seconds; by hand the store that passes shows that the probe goes so far.
    it.skipIf(quick && slow)(`refuses a store that ${title}, but serves a single writer there`, async () => {
      const { fake, driver } = await store(quirks);
      const found = await ensureCapable(driver, { runtime, singleWriter: true });
      expect(found.mode).toBe('single-writer');
      expect(found.warnings.join(' ')).toMatch(message);
      const again = await ensureCapable(driver, { runtime, singleWriter: true });
      expect(again).toMatchObject({ mode: 'single-writer', remembered: quirks.staleReads === undefined });
      expect(await refusal(driver)).toMatch(message);
      const left = [...fake.store.objects.keys()].filter((key) => key !== resultKey(driver) && !key.endsWith('/cut'));
      expect(left).toEqual([]);
    });
  }

  it('a store that cannot be reached is an error of its own, not a refusal', async () => {
    const driver = driverFor(
      { endpoint: 'http://127.0.0.1:1', bucket: 'b', accessKey: 'k', secretKey: 's' },
      { runtime: hurriedRuntime() },
    );
    await expect(ensureCapable(driver, { runtime })).rejects.toMatchObject({ name: 'StorageError', kind: 'unavailable' });
  });
});

describe('a remembered result', () => {
  // A store that the probe's first check refuses keeps these tests short; what is remembered does not depend on what was found.
  const unfitAtOnce = { ignoresConditions: true };
  const singleWriter = true;

  it('is believed for seven days of the store’s clock, not of ours', async () => {
    const { fake, driver } = await store(unfitAtOnce);
    await ensureCapable(driver, { runtime, singleWriter });
    const stored = fake.store.objects.get(resultKey(driver));
    const day = 24 * 3_600_000;
    const ours = { ...runtime, clock: { ...runtime.clock, now: () => Date.now() + 30 * day } };
    expect((await ensureCapable(driver, { runtime: ours, singleWriter })).remembered).toBe(true);
    if (stored) stored.modified = Date.now() - 7 * day + 60_000;
    expect((await ensureCapable(driver, { runtime, singleWriter })).remembered).toBe(true);
    if (stored) stored.modified = Date.now() - 7 * day - 60_000;
    expect((await ensureCapable(driver, { runtime, singleWriter })).remembered).toBe(false);
  });

  it('of the future, junk, another store’s or another version’s is not', async () => {
    const { fake, driver } = await store(unfitAtOnce);
    const key = resultKey(driver);
    const whole = { v: PROBE_VERSION, identity: driver.probeIdentity, refusals: [], warnings: [] };
    const unfit: readonly unknown[] = [
      'junk',
      { ...whole, identity: 's3 elsewhere' },
      { ...whole, v: PROBE_VERSION + 1 },
      { ...whole, refusals: [3] },
      { ...whole, warnings: undefined },
      [],
      null,
    ];
    for (const value of unfit) {
      fake.store.put(key, Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
      expect((await ensureCapable(driver, { runtime, singleWriter })).remembered, JSON.stringify(value)).toBe(false);
    }
    fake.store.put(key, Buffer.alloc(100_000, '{'));
    expect((await ensureCapable(driver, { runtime, singleWriter })).remembered).toBe(false);
    const stored = fake.store.objects.get(key);
    if (stored) stored.modified = Date.now() + 3_600_000;
    expect((await ensureCapable(driver, { runtime, singleWriter })).remembered).toBe(false);
  });

  it('costs four small calls', async () => {
    const { fake, driver } = await store(unfitAtOnce);
    await ensureCapable(driver, { runtime, singleWriter });
    const before = fake.requests.length;
    expect((await ensureCapable(driver, { runtime, singleWriter })).remembered).toBe(true);
    expect(fake.requests.slice(before).map(({ operation }) => operation)).toEqual(['get', 'put', 'head', 'delete']);
  });
});

describe('the single writer’s driver', () => {
  it('lets one of many simultaneous creates in this process win on a store that ignores conditions', async () => {
    const { driver } = await store({ ignoresConditions: true });
    const single = (await ensureCapable(driver, { runtime, singleWriter: true })).driver;
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => single.write('log/a/1', bytes(`writer ${index}`), { ifAbsent: true })),
    );
    expect(answers.filter((one) => one === 'written')).toHaveLength(1);
    const found = await driver.read('log/a/1');
    expect(Buffer.from(found?.body as Uint8Array).toString()).toBe(`writer ${answers.indexOf('written')}`);
  });

  it('notices a second instance that overwrote its create', async () => {
    const { fake, driver } = await store({ ignoresConditions: true });
    const single = (await ensureCapable(driver, { runtime, singleWriter: true })).driver;
    fake.fail('put', { kind: 'answer', status: 200 });
    fake.fail('head', answer(404, 'NotFound'));
    fake.store.put('log/a/1', Buffer.from('theirs'));
    await expect(single.write('log/a/1', bytes('ours'), { ifAbsent: true })).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('keeps the optional abilities of the driver', async () => {
    const { driver } = await store({ ignoresConditions: true });
    const single = (await ensureCapable(driver, { runtime, singleWriter: true })).driver;
    await single.write('objects/a', bytes('a'));
    expect('copy' in single && 'close' in single).toBe(true);
    expect('namesSync' in single).toBe(false);
  });
});
