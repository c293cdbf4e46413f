import { describe, expect, it } from 'vitest';
import type { RegistryError } from '../../ts/errors/registry-error.js';
import { utf8 } from '../../ts/lib/bytes.js';
import { deleteChange, publishChange } from '../../ts/packages/changes.js';
import type { IStorageHookContext, IStorageHooks } from '../../ts/packages/hooks.js';
import { callerOf, PUBLISHER, plainRepository } from './plain-protocol.js';

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

async function kitWith(hooks: IStorageHooks) {
  const kit = plainRepository({ hooks });
  const handle = await kit.repository.open('@s/p', callerOf({ user: 'ann', grants: PUBLISHER }), 'change');
  const publish = async (version = '1') => {
    const object = await handle.upload('create', utf8('bytes'), { max: 1000 });
    const { size, digests } = object;
    return handle.commit(
      'create',
      () => ({
        changes: [publishChange('x', { version, files: [{ name: 'p.tgz', size, digests, key: object.key }] })],
        result: object,
      }),
      { objects: [object], puts: [{ fileName: 'p.tgz', version, size, contentType: 'application/gzip', digests }] },
    );
  };
  const remove = () =>
    handle.commit('delete', () => ({ changes: [deleteChange('x', '1')], result: 0 }), {
      deletes: [{ fileName: 'p.tgz', version: '1', size: 5, contentType: 'application/gzip' }],
    });
  return { ...kit, handle, publish, remove };
}

const kindAndText = (error: unknown) => [(error as RegistryError).kind, (error as Error).message];

describe('before hooks', () => {
  it('are asked once per file, before the commit, with logical facts only', async () => {
    const seen: IStorageHookContext[] = [];
    const kit = await kitWith({
      beforePut: async (context) => {
        seen.push(context);
        return { allowed: true };
      },
    });
    kit.space.interfere = async () =>
      void (await kit.space.commit('@s/p', () => ({ changes: [{ type: 'data', by: 'z', patch: null }], result: 0 })));
    const { result } = await kit.publish();
    expect(seen).toEqual([
      {
        operation: 'put',
        key: 'things/@s/p/p.tgz',
        protocol: 'plain',
        actor: { ip: '192.0.2.1' },
        metadata: { packageName: '@s/p', version: '1', size: 5, contentType: 'application/gzip', digests: result.digests },
        timestamp: new Date(kit.runtime.time),
      },
    ]);
    expect(JSON.stringify(seen)).not.toContain(result.key);
  });

  it('a veto is a 403 with its reason, nothing is committed and nothing is kept', async () => {
    const kit = await kitWith({ beforePut: async () => ({ allowed: false, reason: 'quota: 5 of 4 bytes\r\nX-Evil: 1' }) });
    expect(await kit.publish().catch(kindAndText)).toEqual(['forbidden', 'quota: 5 of 4 bytes X-Evil: 1']);
    expect([kit.objects.stored.size, (await kit.space.read('@s/p')).position]).toEqual([0, 0]);
    expect(kit.faults).toEqual([]);
  });

  const garbage: [string, () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('secret detail');
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret detail'))],
    ['answers nothing', () => undefined],
    ['answers true', () => true],
    ['answers "yes"', () => ({ allowed: 'yes' })],
    ['answers 1', () => ({ allowed: 1 })],
    [
      'has a getter that throws',
      () => ({
        get allowed() {
          throw new Error('secret detail');
        },
      }),
    ],
  ];
  it.each(garbage)('A15: a hook that %s means no, and its words stay inside', async (_what, answer) => {
    const kit = await kitWith({ beforePut: answer as () => Promise<{ allowed: boolean }> });
    expect(await kit.publish().catch(kindAndText)).toEqual(['forbidden', 'refused by policy']);
    expect([kit.objects.stored.size, (await kit.space.read('@s/p')).position, kit.faults.length]).toEqual([0, 0, 1]);
  });

  it('A15: a hook that hangs means no after ten seconds', async () => {
    const kit = await kitWith({ beforePut: () => new Promise(() => {}) });
    const outcome = kit.publish().catch(kindAndText);
    let settled = false;
    void outcome.then(() => {
      settled = true;
    });
    for (let turn = 0; turn < 20; turn++) await tick();
    kit.runtime.advance(9_999);
    await tick();
    expect(settled).toBe(false);
    kit.runtime.advance(1);
    expect(await outcome).toEqual(['forbidden', 'refused by policy']);
    expect([kit.objects.stored.size, kit.runtime.waiting]).toEqual([0, 0]);
  });

  it('are not asked about what the caller may not do anyway', async () => {
    let asked = 0;
    const kit = await kitWith({
      beforePut: async () => {
        asked++;
        return { allowed: true };
      },
    });
    const eve = await kit.repository.open('@s/p', callerOf({ user: 'eve', grants: ['read'] }), 'change');
    const puts = [{ fileName: 'a', version: '1', size: 1, contentType: 'x/y' }];
    await expect(eve.commit('create', () => ({ changes: [], result: 0 }), { puts })).rejects.toThrow('may not');
    expect(asked).toBe(0);
  });

  it('beforeDelete may keep what would be deleted', async () => {
    const kit = await kitWith({ beforeDelete: async ({ operation }) => ({ allowed: false, reason: `no ${operation}` }) });
    await kit.publish();
    expect(await kit.remove().catch(kindAndText)).toEqual(['forbidden', 'no delete']);
    expect((await kit.space.read('@s/p')).state.releases.get('1')?.status).toBe('published');
  });

  it('beforeGet may refuse a download before storage is asked', async () => {
    const kit = await kitWith({ beforeGet: async ({ key }) => ({ allowed: false, reason: `not ${key}` }) });
    const { snapshot } = await kit.publish();
    const file = snapshot.state.releases.get('1')?.files[0];
    if (!file) throw new Error('no file');
    const content = kit.handle.content({ ...file, version: '1' }, 'application/gzip');
    expect(await content.open().catch(kindAndText)).toEqual(['forbidden', 'not things/@s/p/p.tgz']);
    expect(kit.objects.reads).toBe(0);
  });
});

describe('after hooks', () => {
  it('I9: run behind the answer; failing or hanging they change nothing, and the operator hears of it', async () => {
    const kit = await kitWith({
      afterPut: async () => {
        throw new Error('webhook down');
      },
      afterDelete: () => new Promise(() => {}),
    });
    expect((await kit.publish()).changed).toBe(true);
    expect((await kit.remove()).changed).toBe(true);
    const closed = kit.repository.close();
    for (let turn = 0; turn < 5; turn++) await tick();
    kit.runtime.advance(10_000);
    await closed;
    expect(kit.faults.map(({ where }) => where)).toEqual(['storage hook afterPut', 'storage hook afterDelete']);
  });

  it('hear of nothing that was not committed', async () => {
    const heard: string[] = [];
    const kit = await kitWith({
      afterPut: async ({ operation }) => void heard.push(operation),
      beforePut: async ({ metadata }) => ({ allowed: metadata.version !== '2' }),
    });
    await kit.publish('1');
    await kit.publish('2').catch(() => {});
    await kit.handle.commit('create', () => ({ changes: [], result: 0 }), {
      puts: [{ fileName: 'a', version: '3', size: 1, contentType: 'x/y' }],
    });
    await kit.repository.close();
    expect(heard).toEqual(['put']);
  });

  it('afterGet hears of a download once it was opened', async () => {
    const heard: string[] = [];
    const kit = await kitWith({ afterGet: async ({ key, metadata }) => void heard.push(`${key} ${metadata.version}`) });
    const { snapshot } = await kit.publish();
    const file = snapshot.state.releases.get('1')?.files[0];
    if (!file) throw new Error('no file');
    const content = kit.handle.content({ ...file, version: '1' }, 'application/gzip');
    expect(heard).toEqual([]);
    await content.open();
    await kit.repository.close();
    expect(heard).toEqual(['things/@s/p/p.tgz 1']);
  });
});
