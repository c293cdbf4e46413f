import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../ts/errors/config-error.js';
import { systemRuntime as runtime } from '../../ts/lib/clock.js';
import { ensureCapable } from '../../ts/storage/probe.js';
import { lacksVersitygw } from '../servers/binaries.js';
import { driverFor } from '../servers/s3-driver.js';
import { startS3rver } from '../servers/s3rver.js';
import { type RunningS3, startVersitygw } from '../servers/versitygw.js';

const starters: ReadonlyMap<string, () => Promise<RunningS3>> = new Map([
  ['versitygw 1.7.0', () => startVersitygw({ version: '1.7.0' })],
  ['s3rver', startS3rver],
]);

describe.skipIf(lacksVersitygw('1.8.0'))('versitygw 1.8.0', () => {
  let server: RunningS3;
  beforeAll(async () => {
    server = await startVersitygw({ version: '1.8.0' });
  });
  afterAll(() => server?.stop());

  it('passes the probe, which is remembered and leaves nothing else behind', async () => {
    const driver = driverFor(server);
    const first = await ensureCapable(driver, { runtime });
    expect(first).toMatchObject({ mode: 'multi', remembered: false, warnings: [] });
    const second = await ensureCapable(driverFor(server), { runtime });
    expect(second).toMatchObject({ mode: 'multi', remembered: true, warnings: [] });
    const { objects } = await driver.list('');
    expect(objects.map(({ key }) => key)).toEqual([expect.stringMatching(/^derived\/probe\/[a-z2-7]{32}\.json$/)]);
    await driver.close();
  });
});

for (const [name, start] of starters) {
  describe.skipIf(name.startsWith('versitygw') && lacksVersitygw('1.7.0'))(name, () => {
    let server: RunningS3;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server?.stop());

    it('is refused, in one readable paragraph', async () => {
      const driver = driverFor(server);
      const failure = await ensureCapable(driver, { runtime, instanceHint: server.endpoint }).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(ConfigError);
      const [problem, ...others] = (failure as ConfigError).problems;
      expect(others).toEqual([]);
      expect(problem?.path).toBe('storage');
      expect(problem?.message).toContain(server.endpoint);
      expect(problem?.message).toContain('singleWriter');
      await driver.close();
    });

    it('is used by a single writer who says so', async () => {
      const driver = driverFor(server);
      const found = await ensureCapable(driver, { runtime, singleWriter: true });
      expect(found.mode).toBe('single-writer');
      expect(found.warnings).toHaveLength(1);
      const body = new TextEncoder().encode('one');
      expect(await found.driver.write('log/x/1', body, { ifAbsent: true })).toBe('written');
      expect(await found.driver.write('log/x/1', body, { ifAbsent: true })).toBe('exists');
      await driver.close();
    });
  });
}
