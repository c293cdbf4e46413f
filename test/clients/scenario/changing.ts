import { expect, it } from 'vitest';
import { refused, worked } from '../processes.js';
import { ask, inFull, type Rig, stock } from './rig.js';

interface Document {
  readonly versions: Readonly<Record<string, { readonly deprecated?: string }>>;
  readonly 'dist-tags': Readonly<Record<string, string>>;
  readonly maintainers: readonly { readonly name: string }[];
}

/** What changes a package that is there: tags, messages, removals. */
export function changing(rig: () => Rig): void {
  const document = async (name: string): Promise<Document> => (await (await ask(rig().site, name)).json()) as Document;

  inFull('npm 9: dist-tag add, ls, rm; latest stays, unknown versions are refused', async () => {
    const { admin, site } = rig();
    await stock(site, { name: '@team/tags' }, ['1.0.0', '1.1.0']);
    await admin.out(['dist-tag', 'add', '@team/tags@1.0.0', 'stable']);
    expect((await admin.out(['dist-tag', 'ls', '@team/tags'])).trim().split('\n')).toEqual(['latest: 1.1.0', 'stable: 1.0.0']);
    await admin.out(['dist-tag', 'rm', '@team/tags', 'stable']);
    expect((await admin.out(['dist-tag', 'ls', '@team/tags'])).trim()).toBe('latest: 1.1.0');
    expect(refused(await admin.npm(['dist-tag', 'rm', '@team/tags', 'latest'])).err).toMatch(/latest/);
    expect(refused(await admin.npm(['dist-tag', 'add', '@team/tags@7.0.0', 'stable'])).err).toMatch(/version not found: 7\.0\.0/);
    expect((await document('@team%2ftags'))['dist-tags']).toEqual({ latest: '1.1.0' });
  });

  inFull('npm 10: deprecate a range; install shows the message; an empty one takes it back', async () => {
    const { admin, site } = rig();
    await stock(site, { name: 'aging' }, ['1.0.0', '1.0.1', '2.0.0']);
    await admin.out(['deprecate', 'aging@1', 'use 2 instead']);
    const { versions } = await document('aging');
    expect(Object.values(versions).map(({ deprecated }) => deprecated)).toEqual(['use 2 instead', 'use 2 instead', undefined]);
    const warned = worked(await admin.npm(['install'], admin.project({ aging: '1.0.1' })));
    expect(warned.err).toContain('deprecated aging@1.0.1: use 2 instead');
    await admin.out(['deprecate', 'aging@1', '']);
    const calm = worked(await admin.npm(['install'], admin.project({ aging: '1.0.1' })));
    expect(calm.err).not.toContain('deprecated');
  });

  it('npm 11: unpublish the version behind latest: tags follow, the tarball is gone, the version stays taken', async () => {
    const { admin, site } = rig();
    await stock(site, { name: 'shrinking' }, ['1.0.0', '1.1.0', '2.0.0']);
    expect((await ask(site, 'shrinking/-/shrinking-2.0.0.tgz')).status).toBe(200);
    await admin.out(['unpublish', 'shrinking@2.0.0']);
    const { versions, 'dist-tags': tags } = await document('shrinking');
    expect([Object.keys(versions), tags]).toEqual([['1.0.0', '1.1.0'], { latest: '1.1.0' }]);
    expect((await ask(site, 'shrinking/-/shrinking-2.0.0.tgz')).status).toBe(404);
    const again = refused(await admin.npm(['publish'], admin.package({ name: 'shrinking', version: '2.0.0' })));
    expect(again.err).toMatch(/403|cannot publish over/);
    admin.forget();
    const project = admin.project({ shrinking: '*' });
    await admin.out(['install'], project);
    expect(await admin.require(project, 'shrinking')).toBe('shrinking@1.1.0');
  });

  inFull('npm 12: unpublish a whole package: 404 afterwards, its versions stay taken', async () => {
    const { admin, site } = rig();
    await admin.publish({ name: 'passing', version: '1.0.0' });
    await admin.out(['unpublish', 'passing', '--force']);
    expect((await ask(site, 'passing')).status).toBe(404);
    expect(refused(await admin.npm(['view', 'passing'])).err).toContain('E404');
    expect(refused(await admin.npm(['publish'], admin.package({ name: 'passing', version: '1.0.0' }))).err).toContain('403');
    await admin.publish({ name: 'passing', version: '1.0.1' });
    expect(await admin.json(['view', 'passing', 'versions'])).toEqual(['1.0.1']);
  });

  inFull('npm 14: owner add, rm, ls; the last one stays; versions are untouched; strangers are kept out', async () => {
    const { admin, bob, carol } = rig();
    await bob.publish({ name: '@team/owned', version: '1.0.0' });
    expect(await bob.out(['owner', 'ls', '@team/owned'])).toMatch(/^bob\b/);
    expect(refused(await carol.npm(['publish'], carol.package({ name: '@team/owned', version: '1.0.1' }))).err).toContain('403');
    await bob.out(['owner', 'add', 'carol', '@team/owned']);
    const both = (await bob.out(['owner', 'ls', '@team/owned'])).trim().split('\n');
    expect(both.map((line) => line.split(' ')[0])).toEqual(['bob', 'carol']);
    await carol.publish({ name: '@team/owned', version: '1.0.1' });
    await carol.out(['owner', 'rm', 'bob', '@team/owned']);
    expect(refused(await bob.npm(['publish'], bob.package({ name: '@team/owned', version: '1.0.2' }))).err).toContain('403');
    expect(refused(await carol.npm(['owner', 'rm', 'carol', '@team/owned'])).err).toMatch(/owner/i);
    expect(refused(await admin.npm(['owner', 'add', 'nobody-of-that-name', '@team/owned'])).err).toMatch(/404|not found|nobody/i);
    const { versions, maintainers } = await document('@team%2fowned');
    expect([Object.keys(versions), maintainers.map(({ name }) => name)]).toEqual([['1.0.0', '1.0.1'], ['carol']]);
  });

  inFull('npm star, unstar, stars', async () => {
    const { bob } = rig();
    await bob.out(['star', 'plain']);
    expect(await bob.out(['stars'])).toContain('plain');
    expect(await bob.out(['stars', 'bob'])).toContain('plain');
    await bob.out(['unstar', 'plain']);
    expect((await bob.npm(['stars'])).out).not.toContain('plain');
  });
}
