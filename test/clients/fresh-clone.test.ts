import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../servers/free-port.js';
import { end, run, worked } from './processes.js';
import { onPath, required } from './programs.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const needed = process.env.REQUIRE_CLIENTS === '1';
if (!needed) console.warn('SKIPPED: a fresh clone is installed and started only with REQUIRE_CLIENTS=1');

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'entrepot-clone-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

describe.skipIf(!needed)('a fresh clone', { timeout: 240_000 }, () => {
  it('runs after `npm install` and `npm start`, and ends on SIGTERM', async () => {
    const [clone, npm] = [join(base, 'entrepot'), required('npm', onPath('npm'))];
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? base,
      PORT: String(await freePort()),
      LOG_FORMAT: 'json',
    };
    worked(await run('git', ['clone', '--quiet', '--depth', '1', `file://${ROOT}`, clone], { cwd: base, env }));
    worked(await run(npm, ['install', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: clone, env, seconds: 200 }));
    const child = spawn(npm, ['start'], { cwd: clone, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    let url: string | undefined;
    try {
      const seen: string[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        seen.push(line);
        if (line.includes('"set up"')) break;
      }
      const told = seen.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, string>);
      const token = told.find(({ run: shown }) => shown?.includes('ENTREPOT_TOKEN='))?.run?.replace(/^.*=/, '') ?? '';
      url = told.find(({ message }) => message === 'listening')?.url;
      const answer = await fetch(`${url}/npm/-/whoami`, { headers: { authorization: `Bearer ${token}` } });
      expect([answer.status, await answer.json()]).toEqual([200, { username: 'admin' }]);
    } finally {
      // As Ctrl-C does, to npm and to what it has started: npm alone would leave the server behind.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
      await end(child);
      child.stdout.destroy();
    }
    await expect(fetch(`${url}/-/health`)).rejects.toThrow();
  });
});
