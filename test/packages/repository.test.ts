import { describe, expect, it } from 'vitest';
import type { Action } from '../../ts/auth/principal.js';
import { invalid, RegistryError } from '../../ts/errors/registry-error.js';
import { utf8 } from '../../ts/lib/bytes.js';
import { sha256Hex } from '../../ts/lib/digest.js';
import { deleteAllChange, deleteChange, ownersChange, publishChange, visibilityChange } from '../../ts/packages/changes.js';
import type { PackageHandle } from '../../ts/packages/package-handle.js';
import { type CallerOptions, callerOf, type PlainState, PUBLISHER, plainRepository } from './plain-protocol.js';

type Kit = ReturnType<typeof plainRepository>;

const ANN: CallerOptions = { user: 'ann', grants: PUBLISHER };
const BOB: CallerOptions = { user: 'bob', grants: PUBLISHER };
const ROOT: CallerOptions = { user: 'root', grants: ['read', 'create', 'overwrite', 'delete', 'admin'] };

const openAs = (kit: Kit, caller: CallerOptions, purpose: 'read' | 'change' = 'change') =>
  kit.repository.open('p', callerOf(caller), purpose);

async function publish(handle: PackageHandle<PlainState>, version: string, content = version) {
  const object = await handle.upload('create', utf8(content), { max: 1000 });
  const file = () => ({ name: `${version}.tgz`, size: object.size, digests: object.digests, key: object.key });
  return handle.commit('create', () => ({ changes: [publishChange('x', { version, files: [file()] })], result: version }), {
    objects: [object],
    puts: [{ fileName: `${version}.tgz`, version, size: object.size, contentType: 'application/gzip', digests: object.digests }],
  });
}

const refusedAs = (kind: string) => expect.objectContaining({ name: 'RegistryError', kind });

describe('uploads', () => {
  it('are stored under the package, hashed as asked', async () => {
    const kit = plainRepository();
    const handle = await openAs(kit, ANN);
    const object = await handle.upload('create', utf8('bytes'), { max: 5, digests: ['sha1'] });
    expect(object).toMatchObject({ size: 5, digests: { sha256: sha256Hex('bytes') } });
    expect(object.digests.sha1).toHaveLength(40);
    expect(object.key).toMatch(/^objects\/plain\/p-[a-z2-7]{32}\/\d{13}-[a-z2-7]{26}$/);
  });

  it('one byte more than allowed is too_large and leaves nothing', async () => {
    const kit = plainRepository();
    const handle = await openAs(kit, ANN);
    await expect(handle.upload('create', utf8('bytes!'), { max: 5 })).rejects.toEqual(refusedAs('too_large'));
    expect(kit.objects.stored.size).toBe(0);
  });

  it('a caller without the right is refused before the first byte', async () => {
    const kit = plainRepository();
    let read = 0;
    const body = (async function* () {
      read++;
      yield utf8('x');
    })();
    const handle = await openAs(kit, { user: 'eve', grants: ['read'] });
    await expect(handle.upload('create', body, { max: 5 })).rejects.toEqual(refusedAs('forbidden'));
    expect([read, kit.objects.stored.size]).toEqual([0, 0]);
  });
});

describe('who may change a package', () => {
  const actions: readonly Action[] = ['create', 'overwrite', 'delete', 'admin'];
  const everything: readonly Action[] = ['read', ...actions];
  const callers: Record<string, CallerOptions> = {
    anonymous: { grants: everything },
    readonly: { user: 'ann', readonly: true, grants: everything },
    'no grants': { user: 'ann' },
    'read only': { user: 'ann', grants: ['read'] },
    'owner with all but admin': ANN,
    'owner who may delete': { user: 'ann', grants: ['read', 'delete'] },
    'another publisher': BOB,
    'another publisher, owners not enforced': { ...BOB, enforceOwners: false },
    administrator: ROOT,
  };
  /** Written down by hand, action by action: absent package, then one that ann owns. */
  const expected: Record<string, readonly [absent: string, owned: string]> = {
    anonymous: ['----', '----'],
    readonly: ['----', '----'],
    'no grants': ['----', '----'],
    'read only': ['----', '----'],
    'owner with all but admin': ['cod-', 'coda'],
    'owner who may delete': ['--d-', '--d-'],
    'another publisher': ['cod-', '----'],
    'another publisher, owners not enforced': ['cod-', 'cod-'],
    administrator: ['coda', 'coda'],
  };

  it.each(Object.keys(callers))('Z: %s', async (who) => {
    const caller = callers[who] as CallerOptions;
    for (const [index, owned] of [false, true].entries()) {
      let letters = '';
      for (const action of actions) {
        const kit = plainRepository();
        if (owned) await publish(await openAs(kit, ANN), '1');
        const handle = await openAs(kit, caller);
        let decided = 0;
        const done = await handle
          .commit(action, () => {
            decided++;
            return { changes: [visibilityChange('x', 'public')], result: true };
          })
          .then(({ result }) => result)
          .catch((error: RegistryError) => error.kind);
        const allowed = done === true;
        if (!allowed) expect(done).toBe(who === 'anonymous' ? 'unauthenticated' : 'forbidden');
        expect(decided > 0).toBe(allowed);
        expect(await handle.may(action)).toBe(allowed);
        letters += allowed ? action[0] : '-';
      }
      expect(letters).toBe(expected[who]?.[index]);
    }
  });

  it('INV1: ownership is asked again against every state that the commit meets', async () => {
    const kit = plainRepository();
    const handle = await openAs(kit, BOB);
    kit.space.interfere = async () => {
      await publish(await openAs(kit, ANN), '1');
    };
    await expect(publish(handle, '2')).rejects.toEqual(refusedAs('forbidden'));
    const { state } = await kit.space.read('p');
    expect([...state.releases.keys()]).toEqual(['1']);
    expect(kit.objects.stored.size).toBe(1);
  });

  it('a cached belief that is behind refuses nobody', async () => {
    const kit = plainRepository();
    await publish(await openAs(kit, ANN), '1');
    kit.space.beliefs.set('p', await kit.space.read('p'));
    await (await openAs(kit, ANN)).commit('admin', () => ({ changes: [ownersChange('x', ['bob'])], result: 0 }));
    const bob = await openAs(kit, BOB);
    expect(bob.snapshot.state.owners).toEqual(['ann']);
    expect(await bob.may('create')).toBe(true);
    expect((await publish(bob, '2')).changed).toBe(true);
    const ann = await openAs(kit, ANN);
    expect((await publish(ann, '3').catch((error: RegistryError) => error)) instanceof RegistryError).toBe(true);
  });

  it('I6: a deleted package keeps its owners: nobody takes the name over', async () => {
    const kit = plainRepository();
    await publish(await openAs(kit, ANN), '1');
    await (await openAs(kit, ANN)).commit('delete', () => ({ changes: [deleteAllChange('x')], result: 0 }));
    await expect(publish(await openAs(kit, BOB), '2')).rejects.toEqual(refusedAs('forbidden'));
    expect((await publish(await openAs(kit, ANN), '2')).changed).toBe(true);
  });

  it('changes bear the name of who made them, whatever the handler wrote', async () => {
    const kit = plainRepository();
    await publish(await openAs(kit, ANN), '1');
    const entries = [];
    for await (const entry of kit.space.history('p')) entries.push(...entry.changes.map(({ by }) => by));
    expect(entries).toEqual(['ann']);
  });
});

describe('who may read', () => {
  const reads = async (kit: Kit, caller: CallerOptions) => (await openAs(kit, caller, 'read')).may('read');

  it('anonymous callers read public packages of open repositories only', async () => {
    for (const [anonymousRead, restricted, expected] of [
      [true, false, true],
      [true, true, false],
      [false, false, false],
    ] as const) {
      const kit = plainRepository({ anonymousRead });
      await publish(await openAs(kit, ANN), '1');
      if (restricted)
        await (await openAs(kit, ANN)).commit('admin', () => ({ changes: [visibilityChange('x', 'restricted')], result: 0 }));
      expect(await reads(kit, { grants: ['read'] })).toBe(expected);
      expect(await reads(kit, { user: 'eve', grants: ['read'], readonly: true })).toBe(true);
      expect(await reads(kit, { user: 'eve' })).toBe(false);
    }
  });

  it('INV7: a deleted restricted package is for readers what one is that never was', async () => {
    const kit = plainRepository({ anonymousRead: true });
    expect(await reads(kit, { grants: ['read'] })).toBe(true);
    await publish(await openAs(kit, ANN), '1');
    await (await openAs(kit, ANN)).commit('admin', () => ({
      changes: [visibilityChange('x', 'restricted'), deleteChange('x', '1')],
      result: 0,
    }));
    expect(await reads(kit, { grants: ['read'] })).toBe(true);
  });
});

describe('what a refused commit leaves', () => {
  it('a refusal by the protocol takes its uploads along, and only those', async () => {
    const kit = plainRepository();
    const handle = await openAs(kit, ANN);
    await publish(handle, '1');
    const object = await handle.upload('create', utf8('again'), { max: 1000 });
    const refuse = () => {
      throw invalid('no');
    };
    await expect(handle.commit('create', refuse, { objects: [object] })).rejects.toEqual(refusedAs('invalid'));
    expect(kit.objects.stored.size).toBe(1);
    expect(kit.objects.stored.has(object.key)).toBe(false);
  });

  it('INV2: a failure that may have committed leaves the bytes alone', async () => {
    const kit = plainRepository();
    const handle = await openAs(kit, ANN);
    kit.space.lost = new Error('connection lost');
    await expect(publish(handle, '1')).rejects.toThrow('connection lost');
    const { state } = await kit.space.read('p');
    expect(kit.objects.stored.has(state.releases.get('1')?.files[0]?.key ?? '')).toBe(true);
  });

  it('a clean-up that fails changes nothing in the answer, and the operator hears of it', async () => {
    const kit = plainRepository();
    const handle = await openAs(kit, ANN);
    const object = await handle.upload('create', utf8('x'), { max: 10 });
    kit.objects.failDelete = new Error('disk on fire');
    const refuse = () => {
      throw invalid('no');
    };
    await expect(handle.commit('create', refuse, { objects: [object] })).rejects.toEqual(refusedAs('invalid'));
    expect(kit.faults.map(({ where }) => where)).toEqual(['discarding uploads']);
  });
});

describe('lists', () => {
  it('show what exists with its visibility', async () => {
    const kit = plainRepository();
    for (const name of ['a', 'b', 'c']) await publish(await kit.repository.open(name, callerOf(ANN), 'change'), '1');
    const open = (name: string) => kit.repository.open(name, callerOf(ANN), 'change');
    await (await open('b')).commit('admin', () => ({ changes: [visibilityChange('x', 'restricted')], result: 0 }));
    await (await open('c')).commit('delete', () => ({ changes: [deleteAllChange('x')], result: 0 }));
    const { items } = await kit.repository.list(new AbortController().signal);
    expect(items.map(({ item, rule }) => [item.identity, rule.visibility])).toEqual([
      ['a', 'public'],
      ['b', 'restricted'],
    ]);
  });
});

describe('content', () => {
  const stored = async (kit: Kit) => {
    const handle = await openAs(kit, ANN);
    const { snapshot } = await publish(handle, '1', '0123456789');
    const file = snapshot.state.releases.get('1')?.files[0];
    if (!file) throw new Error('no file');
    return { handle, file };
  };

  it('is described without reading anything', async () => {
    const kit = plainRepository();
    const { handle, file } = await stored(kit);
    const content = handle.content(file, 'application/gzip');
    expect(content).toMatchObject({ size: 10, mediaType: 'application/gzip', etag: sha256Hex('0123456789') });
    expect(content.lastModified?.getTime()).toBe(kit.runtime.time);
    expect(kit.objects.reads).toBe(0);
    expect(Buffer.from((await content.open({ start: 2, end: 4 })) as Uint8Array).toString()).toBe('234');
  });

  it.each([
    ['missing', undefined],
    ['shorter', '01234'],
    ['longer', '0123456789x'],
  ])('INV2: a %s object is a 500 that the operator hears of, never a short answer', async (_how, bytes) => {
    const kit = plainRepository();
    const { handle, file } = await stored(kit);
    if (bytes === undefined) kit.objects.stored.delete(file.key);
    else kit.objects.stored.set(file.key, utf8(bytes));
    const error = await handle
      .content(file, 'x/y')
      .open()
      .catch((caught: unknown) => caught);
    expect(error).toEqual(refusedAs('internal'));
    expect((error as Error).message).not.toContain(file.key);
    await expect(handle.content(file, 'x/y').open({ start: 0, end: 1 })).rejects.toEqual(refusedAs('internal'));
    expect(kit.faults).toHaveLength(2);
  });
});
