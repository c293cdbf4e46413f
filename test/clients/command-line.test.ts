import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacksVersitygw } from '../servers/binaries.js';
import { refused, worked } from './processes.js';
import { ask } from './scenario/rig.js';
import { ONE_PROCESS, type Setup, type Site, TWO_INSTANCES } from './setups.js';
import { measure, StoredTarball } from './stored-tarball.js';

const FRESH_MS = 1_500;
const quick = !process.env['REQUIRE_CLIENTS'];
if (quick) console.log('skipped: the command line beside servers as clients see it; REQUIRE_CLIENTS=1 runs it');

/** The command line works on the storage itself, while servers run on it. */
function besideServers(setup: Setup, without = false): void {
  describe.skipIf(without)(`the command line beside ${setup.title}`, { timeout: 60_000 }, () => {
    let site: Site;
    beforeAll(async () => {
      site = await setup.start();
      for (const version of ['1.0.0', '1.1.0']) await publish('pear', version);
    });
    afterAll(() => site?.stop());

    const out = async (...args: readonly string[]): Promise<string> => worked(await site.command(args)).out;
    const json = async <T>(...args: readonly string[]): Promise<T> => JSON.parse(await out(...args, '--json')) as T;
    /** The answer's status once servers know what another process has changed: at once on a folder, within a second on a bucket. */
    const later = async (path: string, token?: string): Promise<number> => {
      if (site.servers.length > 1) await pause(FRESH_MS);
      const statuses = await Promise.all(site.servers.map(async () => (await ask(site, path, token)).status));
      expect(new Set(statuses).size).toBe(1);
      return statuses[0] ?? 0;
    };
    const publish = async (name: string, version: string): Promise<void> => {
      const tarball = new StoredTarball(name, version, 1);
      let body = '';
      for await (const piece of tarball.publishBody(await measure(tarball.bytes()))) body += piece;
      const answer = await ask(site, name, site.adminToken, {
        method: 'PUT',
        body,
        headers: { 'content-type': 'application/json' },
      });
      if (answer.status !== 201) throw new Error(`publish: ${answer.status} ${await answer.text()}`);
    };

    it('users and tokens: what is made opens the running servers, what is revoked does not any more', async () => {
      worked(await site.command(['user', 'add', 'dora', '--password-stdin'], 'a password of hers, 9\n'));
      expect(await out('user', 'list')).toContain('dora');
      const token = (await out('token', 'create', 'dora', '--name', 'laptop')).trim();
      expect(await later('-/whoami', token)).toBe(200);
      const [listed] = await json<readonly { id: string; name: string }[]>('token', 'list', 'dora');
      expect(listed?.name).toBe('laptop');
      await out('token', 'revoke', 'dora', listed?.id ?? '');
      expect(await later('-/whoami', token)).toBe(401);
      const again = refused(await site.command(['user', 'add', 'dora']));
      // Not the only line: the AWS library warns of an old Node.
      expect(again.err).toMatch(/^entrepot: User dora exists already$/m);
      expect(refused(await site.command(['token', 'create', 'nobody'])).err).toMatch(/nobody/);
    });

    it('list and history', async () => {
      expect(await json('list')).toContainEqual({ name: 'npm', protocol: 'npm', path: '/npm/' });
      expect(await json('list', 'npm')).toEqual([expect.objectContaining({ name: 'pear', visibility: 'public' })]);
      const listed = await out('list', 'npm', 'pear');
      for (const version of ['1.0.0', '1.1.0']) expect(listed).toContain(version);
      const history = await out('history', 'npm', 'pear', '--json');
      for (const version of ['1.0.0', '1.1.0']) expect(history).toContain(version);
    });

    it('yank and undo: the servers show the message, and then no more', async () => {
      const message = async (): Promise<string | undefined> => {
        if (site.servers.length > 1) await pause(FRESH_MS);
        return ((await (await ask(site, 'pear/1.0.0')).json()) as { deprecated?: string }).deprecated;
      };
      await out('yank', 'npm', 'pear', '1.0.0', '--reason', 'bruised');
      expect(await message()).toBe('bruised');
      await out('yank', 'npm', 'pear', '1.0.0', '--undo');
      expect(await message()).toBeUndefined();
      expect(refused(await site.command(['yank', 'npm', 'pear', '9.9.9'])).err).toMatch(/9\.9\.9/);
    });

    it('delete a version and a package: they are gone from the servers, and stay taken', async () => {
      await out('delete', 'npm', 'pear', '1.1.0');
      expect(await later('pear/1.1.0')).toBe(404);
      expect(await later('pear/1.0.0')).toBe(200);
      await expect(publish('pear', '1.1.0')).rejects.toThrow('403');
      await out('delete', 'npm', 'pear');
      expect(await later('pear')).toBe(404);
    });

    it('verify finds nothing wrong, gc takes nothing that is young', async () => {
      expect(await out('verify')).toMatch(/: 0 problems\n$/);
      expect(await out('verify', '--repair')).toMatch(/: 0 problems\n$/);
      const dry = await json<readonly Record<string, unknown>[]>('gc', '--dry-run');
      expect(dry).toContainEqual(expect.objectContaining({ repository: 'npm', condemned: 0, foreign: 0, spared: 0 }));
      await out('gc');
      expect(await out('verify')).toMatch(/: 0 problems\n$/);
    });
  });
}

besideServers(ONE_PROCESS, quick);
besideServers(TWO_INSTANCES, quick || lacksVersitygw('1.8.0'));
