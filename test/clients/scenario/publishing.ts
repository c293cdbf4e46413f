import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { refused } from '../processes.js';
import { ask, inFull, type Rig, requestsDuring } from './rig.js';

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly version: string; readonly resolved: string; readonly integrity: string }>
  >;
}

/** `npm publish`, and what `npm install` makes of it. */
export function publishing(rig: () => Rig): void {
  it('npm 1: publish unscoped and scoped, install and ci from an empty cache, sha512 in the lockfile', async () => {
    const { admin, site } = rig();
    await admin.publish({ name: 'plain', version: '1.0.0', description: 'No scope.' });
    await admin.publish({ name: '@team/scoped', version: '2.0.0', dependencies: { plain: '^1.0.0' } });
    const project = admin.project({ '@team/scoped': '^2.0.0' });
    admin.forget();
    await admin.out(['install'], project);
    expect(await admin.require(project, '@team/scoped')).toBe('@team/scoped@2.0.0');
    expect(await admin.require(project, 'plain')).toBe('plain@1.0.0');
    const { packages } = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as Lock;
    expect(packages['node_modules/@team/scoped']?.resolved).toBe(`${site.registry}@team/scoped/-/scoped-2.0.0.tgz`);
    expect(packages['node_modules/plain']?.resolved).toBe(`${site.registry}plain/-/plain-1.0.0.tgz`);
    for (const name of ['plain', '@team/scoped']) expect(packages[`node_modules/${name}`]?.integrity).toMatch(/^sha512-/);
    admin.forget();
    const asked = await requestsDuring(site, () => admin.out(['ci'], project));
    expect(asked.filter(({ path }) => path.endsWith('.tgz')).map(({ status }) => status)).toEqual([200, 200]);
    expect(await admin.require(project, 'plain')).toBe('plain@1.0.0');
  });

  it('npm 2: with a warm cache every document is 304 and no tarball is fetched', async () => {
    const { admin, site } = rig();
    admin.forget();
    await admin.out(['install'], admin.project({ '@team/scoped': '2.0.0' }));
    const asked = await requestsDuring(site, () => admin.out(['install'], admin.project({ '@team/scoped': '2.0.0' })));
    const documents = asked.filter(({ route }) => route === 'packument');
    expect(documents.map(({ status }) => status)).toEqual([304, 304]);
    expect(asked.filter(({ path }) => path.endsWith('.tgz'))).toEqual([]);
  });

  it('npm 6: a version is published once, and npm says so', async () => {
    const { admin, site } = rig();
    const again = refused(
      await admin.npm(['publish'], admin.package({ name: 'plain', version: '1.0.0' }, { more: 'other bytes' })),
    );
    expect(again.err).toMatch(/cannot publish over the previously published versions?:? "?1\.0\.0/);
    const forced = refused(
      await admin.npm(['publish', '--force'], admin.package({ name: 'plain', version: '1.0.0' }, { more: 'other bytes' })),
    );
    expect(forced.err).toContain('403');
    expect(forced.err).toContain('You cannot publish over the previously published versions: 1.0.0');
    const document = (await (await ask(site, 'plain')).json()) as { versions: object };
    expect(Object.keys(document.versions)).toEqual(['1.0.0']);
  });

  inFull('npm 7: the first publish creates latest whatever its tag; later ones with a tag leave it', async () => {
    const { admin } = rig();
    await admin.publish({ name: 'tagged', version: '1.0.0' }, ['--tag', 'beta']);
    expect(await admin.json(['view', 'tagged', 'dist-tags'])).toEqual({ beta: '1.0.0', latest: '1.0.0' });
    await admin.publish({ name: 'tagged', version: '1.1.0' }, ['--tag', 'beta']);
    expect(await admin.json(['view', 'tagged', 'dist-tags'])).toEqual({ beta: '1.1.0', latest: '1.0.0' });
    await admin.publish({ name: 'tagged', version: '1.2.0' });
    expect(await admin.json(['view', 'tagged', 'dist-tags'])).toEqual({ beta: '1.1.0', latest: '1.2.0' });
  });

  inFull('npm 25: view fields, tags, versions and one manifest; an unknown version is 404', async () => {
    const { admin, site } = rig();
    expect((await admin.out(['view', 'tagged@beta', 'version'])).trim()).toBe('1.1.0');
    expect(await admin.json(['view', 'tagged', 'versions'])).toEqual(['1.0.0', '1.1.0', '1.2.0']);
    const time = await admin.json<Record<string, string>>(['view', 'tagged', 'time']);
    expect(time['1.1.0']).toMatch(/^20\d\d-\d\d-\d\dT.*Z$/);
    expect((await (await ask(site, 'tagged/latest')).json()) as object).toMatchObject({ version: '1.2.0' });
    expect(refused(await admin.npm(['view', 'tagged@9.9.9'])).err).toContain('E404');
    expect(refused(await admin.npm(['view', 'no-such-package'])).err).toContain('E404');
  });

  inFull('npm 31: versions published at once are all there', async () => {
    const { admin, bob, site } = rig();
    await admin.publish({ name: 'busy', version: '1.0.0' });
    await admin.out(['owner', 'add', 'bob', 'busy']);
    await Promise.all([
      admin.publish({ name: 'busy', version: '1.1.0' }, ['--tag', 'one']),
      bob.publish({ name: 'busy', version: '1.2.0' }, ['--tag', 'two']),
    ]);
    const document = (await (await ask(site, 'busy')).json()) as { versions: object; 'dist-tags': object };
    expect(Object.keys(document.versions).sort()).toEqual(['1.0.0', '1.1.0', '1.2.0']);
    expect(document['dist-tags']).toEqual({ latest: '1.0.0', one: '1.1.0', two: '1.2.0' });
  });

  inFull('npm 8: what is no name or version is refused with a text; what is not allowed says why', async () => {
    const { admin, machine } = rig();
    const shouting = refused(await admin.npm(['publish'], admin.package({ name: 'Shouting', version: '1.0.0' })));
    expect(shouting.err).toMatch(/[Ii]nvalid package name|lower.?case/);
    const stranger = refused(await machine().npm(['publish'], admin.package({ name: 'unheard-of', version: '1.0.0' })));
    expect(stranger.err).toMatch(/ENEEDAUTH|E401/);
    const liar = refused(await machine('ent_liar').npm(['publish'], admin.package({ name: 'unheard-of', version: '1.0.0' })));
    expect(liar.err).toMatch(/E401|ENEEDAUTH/);
  });
}
