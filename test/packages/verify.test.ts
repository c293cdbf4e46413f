import { describe, expect, it } from 'vitest';
import { utf8 } from '../../ts/lib/bytes.js';
import { floorChange } from '../../ts/log/fold.js';
import { deleteChange, publishChange } from '../../ts/packages/changes.js';
import { releaseInventory } from '../../ts/packages/inventory.js';
import { type VerifyOptions, verifiable, verify } from '../../ts/packages/verify.js';
import { packageKey } from '../../ts/storage/key.js';
import { plainSchema } from './plain-protocol.js';
import { DAY, storedSpace } from './stored-package.js';

type Kit = Awaited<ReturnType<typeof storedSpace>>;

const look = async (kit: Kit, more: Partial<VerifyOptions> = {}) =>
  verify({
    driver: kit.driver,
    runtime: kit.runtime,
    // a space that has no memory of what happened before
    spaces: [verifiable({ space: await kit.newSpace(), schema: plainSchema, inventory: releaseInventory })],
    ...more,
  });

const kinds = ({ findings }: Awaited<ReturnType<typeof verify>>) =>
  findings.map(({ kind, name, repaired }) => `${kind} ${name}${repaired ? ' repaired' : ''}`);

/** Three packages, checkpointed and fed. */
async function healthy() {
  const kit = await storedSpace();
  const objects = new Map<string, string>();
  for (const name of ['a', 'b', '@s/c']) {
    for (const version of ['1', '2']) objects.set(`${name} ${version}`, (await kit.publish(name, version)).key);
  }
  await kit.space.sweep();
  await kit.space.close();
  return { ...kit, objects };
}

const slot = (name: string, n: number) => `log/plain/${packageKey(name)}/${String(n).padStart(10, '0')}.jsonl`;

describe('verify', () => {
  it('finds nothing where nothing is wrong, and has looked at everything', async () => {
    const kit = await healthy();
    const report = await look(kit);
    expect(kinds(report)).toEqual([]);
    expect(report).toMatchObject({ logs: 3, objects: 6, problems: 0 });
    expect(report.entries).toBe(7);
    expect(report.bytes).toBe('a 1a 2b 1b 2@s/c 1@s/c 2'.length);
  });

  it('S14: finds each object that is missing, cut, or changed in one bit', async () => {
    const kit = await healthy();
    await kit.driver.delete([kit.objects.get('a 1') ?? '']);
    await kit.driver.write(kit.objects.get('a 2') ?? '', utf8('a '));
    await kit.driver.write(kit.objects.get('b 1') ?? '', utf8('b 0'));
    const report = await look(kit);
    expect(kinds(report).sort()).toEqual(['object-differs a', 'object-differs b', 'object-missing a']);
    expect(report.problems).toBe(3);
    expect(kinds(await look(kit, { rehash: false })).sort()).toEqual(['object-differs a', 'object-missing a']);
  });

  it('does not miss the bytes of versions that were deleted', async () => {
    const kit = await healthy();
    const space = await kit.newSpace();
    await space.commit('a', () => ({ changes: [deleteChange('ann', '1', true)], result: 0 }));
    await kit.driver.delete([kit.objects.get('a 1') ?? '']);
    await space.sweep();
    expect(kinds(await look(kit))).toEqual([]);
  });

  it.each<[string, (kit: Kit) => Promise<unknown>]>([
    ['an entry that is no entry', (kit) => kit.driver.write(slot('a', 1), utf8('junk\njunk\n'))],
    ['an entry of another log', async (kit) => kit.driver.copy(slot('b', 1), slot('a', 1))],
    ['a missing slot', (kit) => kit.driver.delete([slot('a', 0)])],
    [
      'a changed body',
      async (kit) => {
        const stored = await kit.driver.read(slot('a', 1));
        const text = Buffer.from(stored?.body as Uint8Array).toString();
        return kit.driver.write(slot('a', 1), utf8(text.replace('"version":"2"', '"version":"3"')));
      },
    ],
  ])('finds %s in a chain, whatever a checkpoint says', async (_what, damage) => {
    const kit = await healthy();
    await damage(kit);
    const report = await look(kit, { repair: true });
    expect(report.findings.filter(({ kind }) => kind === 'log').map(({ repaired }) => repaired)).toEqual([false]);
    expect(report.problems).toBeGreaterThan(0);
  });

  it('finds a log that the feed knows and that is gone', async () => {
    const kit = await healthy();
    await kit.driver.delete([slot('b', 0), slot('b', 1)]);
    expect(kinds(await look(kit))).toEqual(['feed-differs b']);
  });

  it('says of what a newer program wrote that it cannot say anything', async () => {
    const kit = await healthy();
    const schema = {
      ...plainSchema,
      apply: (
        state: ReturnType<typeof plainSchema.initial>,
        change: Parameters<typeof plainSchema.apply>[1],
        entry: Parameters<typeof plainSchema.apply>[2],
      ) => {
        if (change['version'] === '2') return plainSchema.apply(state, { ...change, type: 'from the future' }, entry);
        return plainSchema.apply(state, change, entry);
      },
    };
    const space = await kit.newSpace();
    const report = await look(kit, { spaces: [verifiable({ space, schema, inventory: releaseInventory })] });
    expect(kinds(report).sort()).toEqual(['unreadable @s/c', 'unreadable a', 'unreadable b']);
  });

  it('INV6: finds a checkpoint that readers would believe wrongly, and takes it away', async () => {
    const kit = await healthy();
    const key = `derived/checkpoint/plain/${packageKey('a')}.base`;
    const stored = await kit.driver.read(key);
    const text = Buffer.from(stored?.body as Uint8Array).toString('latin1');
    const [head = '', ...rest] = text.split('\n');
    const forged = plainSchema.encode({ ...plainSchema.decode(Buffer.from(rest.join('\n'), 'latin1')), owners: ['eve'] });
    const { sha256Hex } = await import('../../ts/lib/digest.js');
    const newHead = JSON.stringify({ ...(JSON.parse(head) as object), sha256: sha256Hex(forged) });
    await kit.driver.write(key, Buffer.concat([utf8(`${newHead}\n`), forged]));
    expect((await (await kit.newSpace()).readStrong('a')).state.owners).toEqual(['eve']);
    expect(kinds(await look(kit))).toEqual(['checkpoint a']);
    const repaired = await look(kit, { repair: true });
    expect([kinds(repaired), repaired.problems]).toEqual([['checkpoint a repaired'], 0]);
    expect((await (await kit.newSpace()).readStrong('a')).state.owners).toEqual(['ann']);
    expect(kinds(await look(kit))).toEqual([]);
  });

  it('INV6: all views may vanish', async () => {
    const kit = await healthy();
    await kit.driver.delete(await kit.keys('derived/'));
    expect(kinds(await look(kit))).toEqual([]);
  });

  it('I7: feeds what a restored feed lacks, and only says so without --repair', async () => {
    const kit = await healthy();
    const space = await kit.newSpace();
    const object = await kit.store('late', 'late 1');
    const change = publishChange('ann', { version: '1', manifest: '{}', files: [{ ...object, name: '1.tgz' }] });
    await space.commit('late', () => ({ changes: [change], result: 0 }), { objects: [object] });
    await kit.driver.delete(await kit.keys('pending/'));
    expect([...(await (await kit.newSpace()).names()).items.values()].map(({ identity }) => identity)).not.toContain('late');
    expect(kinds(await look(kit))).toEqual(['feed-lacks late']);
    const repaired = await look(kit, { repair: true });
    expect([kinds(repaired), repaired.problems]).toEqual([['feed-lacks late repaired'], 0]);
    expect(await kit.keys('pending/')).toEqual([]);
    expect([...(await (await kit.newSpace()).names()).items.values()].map(({ identity }) => identity)).toContain('late');
    expect(kinds(await look(kit))).toEqual([]);
  });

  it('a change whose marker still stands is on its way to the feed, and no finding', async () => {
    const kit = await healthy();
    const space = await kit.newSpace();
    await space.commit('a', () => ({ changes: [deleteChange('ann', '1')], result: 0 }));
    expect(await kit.keys('pending/')).toHaveLength(1);
    expect(kinds(await look(kit))).toEqual([]);
  });

  it('an erased entry is no damage; a checkpoint that still holds its content is', async () => {
    const kit = await healthy();
    const key = `derived/checkpoint/plain/${packageKey('a')}.base`;
    const old = (await kit.driver.read(key))?.body as Uint8Array;
    const space = await kit.newSpace();
    await space.erase('a', 1, 'ann');
    await space.sweep();
    await space.close();
    expect(kinds(await look(kit))).toEqual([]);
    await kit.driver.write(key, old);
    expect(kinds(await look(kit))).toEqual(['checkpoint a']);
  });

  it('G2: a package with a floor and nothing else is neither damage nor a package', async () => {
    const kit = await healthy();
    const { floorChange } = await import('../../ts/log/fold.js');
    const space = await kit.newSpace();
    await space.commitUnseen('only-a-floor', () => ({ changes: [floorChange('~', { objects: 5 })], result: 0 }));
    kit.runtime.advance(DAY);
    expect(kinds(await look(kit))).toEqual([]);
  });
});

describe('floors', () => {
  it('INV6: one that a collector has committed since the last change is not missing from the feed', async () => {
    const kit = await healthy();
    await kit.space.commitUnseen('a', () => ({ changes: [floorChange('~collector', { objects: 5 })], result: 0 }));
    expect(kinds(await look(kit))).toEqual([]);
    // but what was announced is
    await kit.publish('a', '3');
    await kit.driver.delete(await kit.keys('pending/'));
    expect(kinds(await look(kit))).toEqual(['feed-lacks a']);
  });

  it('INV6: a log that began with one has the name that came later, and a good checkpoint', async () => {
    const kit = await storedSpace();
    await kit.space.commitUnseenByKey(packageKey('n'), () => ({
      changes: [floorChange('~collector', { objects: 5 })],
      result: 0,
    }));
    const published = kit.space.commit('n', () => ({ changes: [publishChange('ann', { version: '1' })], result: 0 }));
    // whoever does not know of the floor yet loses a slot to it, and tries again a little later
    for (let i = 0; i < 20; i += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      kit.runtime.advance(50);
    }
    await published;
    await kit.space.sweep();
    await kit.space.close();
    expect(await kit.keys('derived/checkpoint/')).not.toEqual([]);
    expect(kinds(await look(kit))).toEqual([]);
  });

  const half = async (kit: Kit, key: string) => {
    const bytes = (await kit.driver.read(key))?.body as Uint8Array;
    await kit.driver.write(key, bytes.subarray(0, bytes.byteLength >> 1));
  };

  it('--repair closes half an entry at the end of a log that nobody else knows of; also where a server has found the log closed', async () => {
    const kit = await healthy();
    const server = await kit.newSpace();
    await server.read('a');
    // as a store leaves it that keeps a part of a write which failed
    await kit.driver.write(slot('a', 2), (await kit.driver.read(slot('a', 1)))?.body as Uint8Array);
    await half(kit, slot('a', 2));
    expect((await server.readStrong('a')).broken).toBeDefined();
    const note = () => ({ changes: [deleteChange('ann', '1', false)], result: 0 });
    await expect(server.commit('a', note)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(kinds(await look(kit))).toEqual(['log a']);
    expect(kinds(await look(kit, { repair: true }))).toEqual(['log a repaired']);
    expect(kinds(await look(kit))).toEqual([]);
    await server.commit('a', note);
    expect((await (await kit.newSpace()).read('a')).position).toBe(4);
  });

  it('--repair leaves what may have been acknowledged: an entry that the feed knows, and one with others behind it', async () => {
    const kit = await healthy();
    await kit.driver.delete((await kit.driver.list('derived/')).objects.map(({ key }) => key));
    await half(kit, slot('a', 1));
    await half(kit, slot('b', 0));
    const before = await kit.driver.read(slot('a', 1));
    expect(kinds(await look(kit, { repair: true })).filter((kind) => kind.startsWith('log '))).toHaveLength(2);
    expect(await kit.driver.read(slot('a', 1))).toEqual(before);
  });
});
