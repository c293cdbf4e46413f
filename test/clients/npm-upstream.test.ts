import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refused, worked } from './processes.js';
import { clientProgram, lacks, required } from './programs.js';
import { Sandbox } from './sandbox.js';
import { ask, requestsDuring } from './scenario/rig.js';
import { ONE_PROCESS, type Site, through } from './setups.js';

// What the rule tests say, again with npm itself: a minute that only CI spends.
const quick = !process.env['REQUIRE_CLIENTS'];
if (quick)
  console.log('skipped: lockfiles and commands of npm 9 to 11 through an upstream take a minute; REQUIRE_CLIENTS=1 runs them');

interface LockFile {
  readonly packages: Record<string, { resolved?: string; integrity?: string }>;
}

for (const name of ['npm-9', 'npm-10', 'npm-11'] as const) {
  const skipped = quick || lacks(name, clientProgram(name));
  describe.skipIf(skipped)(`npm 34, npm 38: ${name} and packages of another registry`, { timeout: 180_000 }, () => {
    let [origin, site]: Site[] = [];
    let [author, user]: Sandbox[] = [];
    const at = <T>(one: T | undefined): T => {
      if (one === undefined) throw new Error('the registries did not start');
      return one;
    };
    const program = (): string => required(name, clientProgram(name));
    const machine = (of: Site): Sandbox => new Sandbox(of.registry, of.adminToken, program());

    beforeAll(async () => {
      origin = await ONE_PROCESS.start();
      // documents are asked for each time
      site = await through(origin, { cache: { ttlSeconds: 0 } });
      author = machine(origin);
      user = machine(site);
      await author.publish({ name: 'leaf', version: '1.0.0', bin: { leaf: 'index.js' } }, [], {
        'index.js': '#!/usr/bin/env node\nconsole.log("leaf says hello")\n',
      });
      await author.publish({ name: '@team/top', version: '1.2.3', dependencies: { leaf: '^1.0.0' } });
    });
    afterAll(async () => {
      author?.remove();
      user?.remove();
      await site?.stop();
      await origin?.stop();
    });

    /** A project with the lockfile that the origin's users have, its URLs turned into others. */
    async function locked(turn: (resolved: string) => string): Promise<{ by: Sandbox; folder: string }> {
      const dependencies = { '@team/top': '^1.0.0' };
      const before = at(author).project(dependencies);
      worked(await at(author).npm(['install', '--package-lock-only'], before));
      const lock = JSON.parse(readFileSync(join(before, 'package-lock.json'), 'utf8')) as LockFile;
      for (const entry of Object.values(lock.packages)) if (entry.resolved) entry.resolved = turn(entry.resolved);
      const by = machine(at(site));
      const manifest = { name: 'project', version: '1.0.0', private: true, dependencies };
      return { by, folder: by.folder({ 'package.json': JSON.stringify(manifest), 'package-lock.json': JSON.stringify(lock) }) };
    }

    async function installs({ by, folder }: { by: Sandbox; folder: string }, settings: readonly string[]): Promise<void> {
      // a URL that is not replaced leads nowhere
      by.write(
        '.npmrc',
        [by.read('.npmrc'), 'proxy=http://127.0.0.1:9', 'https-proxy=http://127.0.0.1:9', 'noproxy=127.0.0.1', ...settings].join(
          '\n',
        ),
      );
      const asked = await requestsDuring(at(site), async () => worked(await by.npm(['ci'], folder)));
      expect(await by.require(folder, '@team/top')).toBe('@team/top@1.2.3');
      expect(asked.filter(({ path }) => path.endsWith('.tgz')).map(({ status }) => status)).toEqual([200, 200]);
      by.remove();
    }

    it('npm 34: a lockfile of the registry that npm knows by itself installs as it is', async () => {
      const plain = machine(at(site));
      plain.write('.npmrc', '');
      const known = (await plain.out(['config', 'get', 'registry'])).trim();
      plain.remove();
      expect(known).toMatch(/^https:/);
      await installs(await locked((resolved) => resolved.replace(at(origin).registry, known)), []);
    });

    it.each(['always', 'packages.invalid'])('npm 34: a lockfile of any other, with replace-registry-host=%s', async (setting) => {
      const elsewhere = await locked((resolved) => resolved.replace(at(origin).registry, 'https://packages.invalid/'));
      await installs(elsewhere, [`replace-registry-host=${setting}`]);
    });

    // the older ones put the registry's own path in front of any
    if (name === 'npm-11')
      it('npm 34: a lockfile with the same path on another host', async () => {
        const elsewhere = await locked((resolved) => resolved.replace(at(origin).registry, 'https://packages.invalid/npm/'));
        await installs(elsewhere, ['replace-registry-host=always']);
      });

    it('view, outdated, audit, exec', async () => {
      const by = at(user);
      expect(await by.json(['view', '@team/top', 'version'])).toBe('1.2.3');
      const { dist } = await by.json<{ dist: { tarball: string } }>(['view', 'leaf@latest']);
      expect(dist.tarball).toBe(`${at(site).registry}leaf/-/leaf-1.0.0.tgz`);
      expect(refused(await by.npm(['view', 'no-such-package'])).err).toMatch(/E404/);
      const folder = by.project({ '@team/top': '1.2.3' });
      worked(await by.npm(['install'], folder));
      expect(worked(await by.npm(['audit'], folder)).out).toContain('found 0 vulnerabilities');
      await at(author).publish({ name: '@team/top', version: '1.3.0' });
      const outdated = JSON.parse(refused(await by.npm(['outdated', '--json'], folder)).out) as Record<
        string,
        { latest: string }
      >;
      expect(outdated['@team/top']?.latest).toBe('1.3.0');
      expect(worked(await by.npm(['exec', '--yes', '--', 'leaf'])).out).toContain('leaf says hello');
    });

    it('publishing over a name makes it ours; changing another registry’s package is refused in words', async () => {
      const by = at(user);
      for (const args of [
        ['deprecate', 'leaf@1.0.0', 'no'],
        ['dist-tag', 'add', 'leaf@1.0.0', 'beta'],
        ['unpublish', '--force', 'leaf'],
      ])
        expect(refused(await by.npm(args)).err, args.join(' ')).toContain('this package comes from another registry');
      worked(await by.npm(['publish'], by.package({ name: 'leaf', version: '2.0.0' })));
      by.forget();
      expect([await by.json(['view', 'leaf', 'versions'])].flat()).toEqual(['2.0.0']);
      const before = at(origin).requests().length;
      const answer = await ask(at(site), 'leaf/-/leaf-1.0.0.tgz');
      expect([answer.status, at(origin).requests().length]).toEqual([404, before]);
      // and there it is as it was
      const bytes = Buffer.from(await (await ask(at(origin), 'leaf/-/leaf-1.0.0.tgz')).arrayBuffer());
      expect(createHash('sha512').update(bytes).digest('base64')).toBe(
        (await author?.json<{ integrity: string }>(['view', 'leaf', 'dist']))?.integrity.slice(7),
      );
    });
  });
}
