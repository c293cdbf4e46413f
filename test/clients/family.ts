import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FamilyClient } from './family-clients.js';
import { loaded, Machine } from './family-machine.js';
import { worked } from './processes.js';
import { clientProgram, lacks } from './programs.js';
import type { Sandbox } from './sandbox.js';
import { requestsDuring } from './scenario/rig.js';
import { ONE_PROCESS, type Site, through } from './setups.js';

/** Publish (where the client can), install from an empty cache, install from a warm one, install through another registry. */
export function familyClient(client: FamilyClient): void {
  const { program, warm } = client;
  describe.skipIf(lacks(program, clientProgram(program)))(`npm 33: ${program}`, { timeout: 120_000 }, () => {
    let site: Site;
    let [author, user]: Machine[] = [];
    const machine = (one: Machine | undefined): Machine => {
      if (!one) throw new Error('the registry did not start');
      return one;
    };
    beforeAll(async () => {
      site = await ONE_PROCESS.start();
      author = new Machine(site, client);
      user = new Machine(site, client);
    });
    afterAll(async () => {
      author?.sandbox.remove();
      user?.sandbox.remove();
      await site?.stop();
    });

    it(client.publish ? 'publishes' : 'cannot publish: npm does', async () => {
      const by = machine(author);
      await by.publish({ name: 'leaf', version: '1.0.0' });
      await by.publish({ name: '@team/top', version: '1.2.3', dependencies: { leaf: '^1.0.0' } });
      const { versions } = JSON.parse(await by.sandbox.out(['view', '@team/top', '--json'])) as { versions: unknown };
      expect(versions).toEqual(['1.2.3']);
    });

    it('installs into an empty project from an empty cache', async () => {
      const by = machine(user);
      const asked = await requestsDuring(site, async () => {
        const folder = await by.install({ '@team/top': '^1.0.0' });
        expect(await loaded(by, folder)).toEqual(['@team/top@1.2.3', 'leaf@1.0.0']);
      });
      const tarballs = asked.filter(({ path }) => path.endsWith('.tgz'));
      expect(tarballs.map(({ status }) => status)).toEqual([200, 200]);
      expect(asked.filter(({ status }) => status >= 500)).toEqual([]);
    });

    it(`has a warm cache then: it ${warm}`, async () => {
      const asked = await requestsDuring(site, () => machine(user).install({ '@team/top': '^1.0.0' }));
      expect(asked.filter(({ path }) => path.endsWith('.tgz'))).toEqual([]);
      // Some also ask whether there is a newer one of themselves.
      const documents = asked.filter(({ path }) => /(top|leaf)$/.test(path)).map(({ status }) => status);
      const seen = documents.length === 0 ? 'trusts' : documents.every((status) => status === 304) ? 'revalidates' : 'asks';
      expect(seen).toBe(warm);
    });

    it.skipIf(client.whoami === undefined)('knows who it is', async () => {
      expect(worked(await machine(user).run(client.whoami ?? [])).out).toContain('admin');
    });

    it('npm 38: installs through a registry that has nothing of its own, when the other one is gone, too', async () => {
      // documents are asked for each time
      const other = await through(site, { cache: { ttlSeconds: 0 } });
      const machines: Sandbox[] = [];
      const install = async (): Promise<void> => {
        const by = new Machine(other, client);
        machines.push(by.sandbox);
        expect(await loaded(by, await by.install({ '@team/top': '^1.0.0' }))).toEqual(['@team/top@1.2.3', 'leaf@1.0.0']);
      };
      try {
        const cold = await requestsDuring(site, install);
        expect(cold.filter(({ path }) => path.endsWith('.tgz')).map(({ status }) => status)).toEqual([200, 200]);
        const warm = (await requestsDuring(site, install)).filter(({ path }) => /top|leaf/.test(path));
        expect(new Set(warm.map(({ status }) => status))).toEqual(new Set([304]));
        await site.stop();
        await install();
        expect(other.requests().filter(({ status }) => status >= 500)).toEqual([]);
      } finally {
        for (const machine of machines) machine.remove();
        await other.stop();
      }
    });
  });
}
