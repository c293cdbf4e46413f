import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { refused, worked } from '../processes.js';
import { ask, inFull, type Rig, requestsDuring, stock } from './rig.js';

interface Found {
  readonly name: string;
  readonly version: string;
}

/** What only looks. */
export function reading(rig: () => Rig): void {
  inFull('npm 19: search finds the best first, keeps to its limit, and says when there is nothing', async () => {
    const { admin, site } = rig();
    await stock(site, { name: 'kiwi', description: 'A fruit.', keywords: ['green'] }, ['1.0.0']);
    await stock(site, { name: 'kiwi-peeler', description: 'Peels.' }, ['1.0.0']);
    await stock(site, { name: 'basket', description: 'Holds any kiwi.' }, ['1.0.0']);
    const names = async (...args: string[]) => (await admin.json<readonly Found[]>(['search', ...args])).map(({ name }) => name);
    expect(await names('kiwi')).toEqual(['kiwi', 'kiwi-peeler', 'basket']);
    expect(await names('kiwi', '--searchlimit=2')).toEqual(['kiwi', 'kiwi-peeler']);
    expect(await names('keywords:green')).toEqual(['kiwi']);
    expect(await admin.out(['search', 'nothing-is-called-so'])).toContain('No matches found');
  });

  inFull('npm 20: ping and doctor', async () => {
    const { admin, site } = rig();
    const ping = worked(await admin.npm(['ping']));
    expect(ping.err).toMatch(/PONG/);
    const asked = await requestsDuring(site, () => admin.npm(['doctor', 'connection']));
    expect(asked.filter(({ route }) => route === 'ping').map(({ status }) => status)).toEqual([200]);
  });

  inFull('npm 21: audit sends its list in gzip and finds nothing', async () => {
    const { admin, site } = rig();
    const project = admin.project({ plain: '1.0.0' });
    await admin.out(['install', '--no-audit'], project);
    let report = '';
    const asked = await requestsDuring(site, async () => {
      report = await admin.out(['audit', '--json'], project);
    });
    expect(asked.filter(({ route }) => route === 'advisories').map(({ status }) => status)).toEqual([200]);
    expect(JSON.parse(report)).toMatchObject({ metadata: { vulnerabilities: { total: 0 } } });
  });

  inFull('npm 26: --before honours the time of each version', async () => {
    const { admin } = rig();
    const time = await admin.json<Record<string, string>>(['view', 'tagged', 'time']);
    const before = new Date(Date.parse(time['1.2.0'] ?? '') - 1).toISOString();
    const project = admin.project({ tagged: '*' });
    await admin.out(['install', `--before=${before}`], project);
    expect(await admin.require(project, 'tagged')).toMatch(/^tagged@1\.[01]\.0$/);
    const none = refused(await admin.npm(['install', '--before=2001-01-01'], admin.project({ tagged: '*' })));
    expect(none.err).toMatch(/ETARGET|ENOVERSIONS/);
  });

  inFull('npm 32: pack, diff and outdated', async () => {
    const { admin } = rig();
    const folder = admin.folder();
    const [packed] = await admin.json<readonly { filename: string; integrity: string }[]>(['pack', 'tagged@1.0.0'], folder);
    expect(existsSync(join(folder, packed?.filename ?? ''))).toBe(true);
    expect(packed?.integrity).toBe(await admin.json(['view', 'tagged@1.0.0', 'dist.integrity']));
    const diff = await admin.out(['diff', '--diff=tagged@1.0.0', '--diff=tagged@1.2.0']);
    expect(diff).toContain('-module.exports = "tagged@1.0.0"');
    expect(diff).toContain('+module.exports = "tagged@1.2.0"');
    const project = admin.project({ tagged: '1.0.0' });
    await admin.out(['install'], project);
    const outdated = await admin.npm(['outdated', '--json'], project);
    expect(JSON.parse(outdated.out)).toMatchObject({ tagged: { current: '1.0.0', latest: '1.2.0' } });
  });

  inFull('npm 22: signing keys, and a signature for each version', async () => {
    const { admin, site } = rig();
    const { keys } = (await (await ask(site, '-/npm/v1/keys')).json()) as { keys: readonly { keyid: string }[] };
    const signatures = await admin.json<readonly { keyid: string; sig: string }[]>(['view', 'plain', 'dist.signatures']);
    expect(signatures.map(({ keyid }) => keyid)).toEqual(keys.map(({ keyid }) => keyid));
  });
}
