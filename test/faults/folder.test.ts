import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SmartRegistry, streamToBuffer, streamToJson } from '../../ts/index.js';
import { publishBody } from '../server/publish.js';
import { ask, SECRET, TOKEN } from './npm-site.js';

const CHILD = fileURLToPath(new URL('killed-publisher.mjs', import.meta.url));
const BUILT = existsSync(fileURLToPath(new URL('../../dist/index.js', import.meta.url)));
const POINTS = process.env['REQUIRE_CLIENTS'] ? 36 : 8;
if (POINTS < 36) console.log(`shortened: ${POINTS} processes killed; REQUIRE_CLIENTS=1 kills 36`);
const WHEN = ['before', 'during', 'behind'] as const;

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'entrepot-killed-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const versionOf = (n: number): string => `1.0.${n}`;

function publishAndDie(version: string, at: number, when: string): Promise<{ readonly out: string; readonly killed: boolean }> {
  return new Promise((resolve) => {
    const args = [CHILD, root, SECRET, TOKEN, publishBody('p', version), String(at), when];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let out = '';
    child.stdout.on('data', (chunk) => {
      out += String(chunk);
    });
    child.on('close', (_, signal) => resolve({ out, killed: signal === 'SIGKILL' }));
  });
}

/** Opens the folder as a new process would, and looks at every version. */
async function shown(registry: SmartRegistry): Promise<readonly string[]> {
  const packument = await ask(registry, 'GET', '/npm/p');
  const versions = Object.keys((await streamToJson<{ versions: object }>(packument.body)).versions ?? {});
  for (const version of versions) {
    const tarball = await ask(registry, 'GET', `/npm/p/-/p-${version}.tgz`);
    expect([version, tarball.status]).toEqual([version, 200]);
    expect((await streamToBuffer(tarball.body)).byteLength).toBeGreaterThan(0);
  }
  return versions;
}

describe.skipIf(!BUILT && !process.env['REQUIRE_CLIENTS'])('processes killed at their k-th storage call, on one folder', () => {
  it('INV1 INV2 INV4: what was answered is there, the rest can be tried again', { timeout: 240_000 }, async () => {
    const whole = await publishAndDie(versionOf(0), 0, 'never');
    const calls = Number(/calls (\d+)/.exec(whole.out)?.[1]);
    expect(whole.out).toContain('ack');
    const acknowledged = [versionOf(0)];
    let kills = 0;
    for (let n = 1; n <= POINTS; n += 1) {
      const at = 1 + Math.floor(((n - 1) * (calls - 1)) / POINTS);
      const { out, killed } = await publishAndDie(versionOf(n), at, WHEN[n % WHEN.length] as string);
      if (killed) kills += 1;
      if (out.includes('ack')) acknowledged.push(versionOf(n));
    }
    const registry = new SmartRegistry({
      storage: { driver: 'filesystem', root },
      npm: { enabled: true },
      secret: SECRET,
      auth: { adminToken: TOKEN },
    });
    await registry.init();
    try {
      const there = await shown(registry);
      expect(there).toEqual(expect.arrayContaining(acknowledged));
      for (let n = 1; n <= POINTS; n += 1) {
        const { status } = await ask(registry, 'PUT', '/npm/p', publishBody('p', versionOf(n)));
        expect(there.includes(versionOf(n)) ? [200, 201, 403, 409] : [200, 201]).toContain(status);
      }
      expect((await shown(registry)).length).toBe(POINTS + 1);
    } finally {
      await registry.destroy();
    }
    console.log(`${kills} processes killed, ${acknowledged.length} of ${POINTS + 1} publishes answered, ${calls} calls each`);
    expect(kills).toBeGreaterThan(POINTS / 2);
  });
});
