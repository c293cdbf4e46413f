import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { publishBody } from '../server/publish.js';
import { SETUP_MS } from './installed.js';
import { NAME, npmClient } from './npm-client.js';
import { type Program, start } from './program.js';
import { project, scratch } from './project.js';

let file = '';
beforeAll(() => {
  file = join(project().compile(['auth-provider']), 'auth-provider.js');
}, SETUP_MS);

const MODES = [
  'denies',
  'denies every action',
  'throws',
  'throws at once',
  'throws in authorize',
  'rejects with nothing',
  'hangs',
  'hangs in authorize',
  'lies: yes',
  'lies: 1',
  'lies: an object',
  'lies: a token without scopes',
  'lies: a user who is a number',
  'lies: true',
  'lies: no promise',
  'lies: expired',
  'lies: of another protocol',
] as const;

const quick = process.env['REQUIRE_CLIENTS'] !== '1';
if (quick) console.log('skipped: providers that fail in installed applications, a process each; REQUIRE_CLIENTS=1 tries them');

/** Status and text of what each kind of request is told. */
async function told({ url }: Program): Promise<[number, string][]> {
  const headers = { authorization: 'Bearer token-of-alice', 'content-type': 'application/json' };
  const asks: readonly [string, RequestInit?][] = [
    ['/npm/there'],
    ['/npm/there', { method: 'HEAD' }],
    ['/npm/there/-/there-1.0.0.tgz'],
    ['/npm/fresh', { method: 'PUT', body: publishBody('fresh', '1.0.0') }],
    ['/npm/there', { method: 'PUT', body: publishBody('there', '1.0.1') }],
    ['/npm/-/package/there/dist-tags/old', { method: 'PUT', body: '"1.0.0"' }],
    ['/npm/there/-rev/1', { method: 'DELETE' }],
  ];
  return Promise.all(
    asks.map(async ([path, init]) => {
      const response = await fetch(url + path, { headers, ...init });
      return [response.status, await response.text()] as [number, string];
    }),
  );
}

describe.skipIf(quick)("an application's own auth provider", () => {
  it('lets npm publish and install in, and strangers read where it says so', async () => {
    const program = await start('node', file);
    const registry = `${program.url}/npm/`;
    const alice = npmClient(registry, 'token-of-alice');
    await alice.publish('1.0.0');
    expect(await npmClient(registry, 'token-of-bob').install(NAME)).toContain(NAME);
    await expect(npmClient(registry, 'token-of-bob').publish('1.0.1')).rejects.toMatchObject({
      stderr: expect.stringContaining('E403'),
    });
    await expect(npmClient(registry, 'token-of-eve').install(NAME)).rejects.toMatchObject({
      stderr: expect.stringContaining('E401'),
    });
    expect(await program.stop()).toMatchObject({ code: 0, err: '' });
  });

  it('closes every door when it denies, throws, hangs or lies; no answer is a fault, no secret is told', async () => {
    const root = scratch();
    const seeder = await start('node', file, { ENTREPOT_ROOT: root });
    const headers = { authorization: 'Bearer token-of-alice', 'content-type': 'application/json' };
    const seeded = await fetch(`${seeder.url}/npm/there`, { method: 'PUT', headers, body: publishBody('there', '1.0.0') });
    expect(seeded.status).toBe(201);
    expect((await fetch(`${seeder.url}/npm/there`, { headers })).status).toBe(200);
    const listed = await start('node', file, { MODE: 'list' });
    expect((await listed.stop()).out).toContain(JSON.stringify(MODES));

    await Promise.all(
      MODES.map(async (mode) => {
        const program = await start('node', file, { ENTREPOT_ROOT: root, MODE: mode });
        for (const [status, text] of await told(program)) {
          expect([401, 403, 404], `${mode}: ${status} ${text}`).toContain(status);
          expect(text, mode).not.toMatch(/hunter2|directory is down|not even/);
        }
        const { code, out, err } = await program.stop();
        expect([code, err], mode).toEqual([0, '']);
        if (/throws|hangs|lies: (?!expired|of)|rejects/.test(mode)) expect(out, mode).toContain('fault: auth provider');
      }),
    );

    const after = (await (await fetch(`${seeder.url}/npm/there`, { headers })).json()) as Record<string, object>;
    expect([after['dist-tags'], Object.keys(after['versions'] ?? {})]).toEqual([{ latest: '1.0.0' }, ['1.0.0']]);
    expect((await fetch(`${seeder.url}/npm/fresh`, { headers })).status).toBe(404);
    await seeder.stop();
  });
});
