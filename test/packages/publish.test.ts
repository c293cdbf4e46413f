import { describe, expect, it } from 'vitest';
import * as change from '../../ts/packages/changes.js';
import { historyOf } from '../../ts/packages/history.js';
import * as publish from '../../ts/packages/publish.js';
import { fileNamed, fold } from './changes.js';
import { callerOf, PUBLISHER, plainRepository, plainSchema } from './plain-protocol.js';

const release = (version: string, time?: number) =>
  change.publishChange('ann', { version, manifest: '{}', files: [fileNamed(`${version}.tgz`, time)] });
const state = fold(plainSchema, [
  [release('1')],
  [release('2')],
  [change.deleteChange('ann', '1')],
  [change.statusChange('ann', ['2'], 'yanked', 'bad')],
]);
const empty = plainSchema.initial('p');

describe('versions', () => {
  it('a deleted one is not there, a yanked one is', () => {
    expect(publish.releaseOf(state, '1')).toBeUndefined();
    expect(publish.releaseOf(state, '2')?.reason).toBe('bad');
    expect(() => publish.requireRelease(state, '1')).toThrow(expect.objectContaining({ kind: 'not_found' }));
    expect(publish.liveReleases(state).map(({ version }) => version)).toEqual(['2']);
  });

  it('I1, I2: one that is there, or was, is taken, in the protocol’s words', () => {
    expect(() => publish.requireFree(state, '3')).not.toThrow();
    expect(() => publish.requireFree(state, '2')).toThrow(
      expect.objectContaining({ kind: 'conflict', message: 'version 2 is already published' }),
    );
    expect(() => publish.requireFree(state, '1')).toThrow(expect.objectContaining({ kind: 'conflict' }));
    const words = { kind: 'forbidden', code: 'EGONE', exists: 'there', deleted: 'gone' } as const;
    expect(() => publish.requireFree(state, '1', words)).toThrow(
      expect.objectContaining({ kind: 'forbidden', code: 'EGONE', message: 'gone' }),
    );
    expect(() => publish.requireFree(state, '2', words)).toThrow(expect.objectContaining({ message: 'there' }));
  });

  it('I2: file names stay taken with their digest', () => {
    expect(publish.takenFile(state, '1', '1.tgz')).toBe(fileNamed('1.tgz').digests.sha256);
    expect(publish.takenFile(state, '2', '2.tgz')).toBe(fileNamed('2.tgz').digests.sha256);
    expect(publish.takenFile(state, '2', 'x.tgz')).toBeUndefined();
    expect(publish.takenFile(state, '9', 'x.tgz')).toBeUndefined();
    expect(publish.takenFile(state, '1', '')).toBeUndefined();
  });
});

describe('first publish', () => {
  it('may begin restricted; later ones change nothing', () => {
    expect(publish.firstPublishChanges(empty, 'ann', 'restricted')).toEqual([change.visibilityChange('ann', 'restricted')]);
    expect(publish.firstPublishChanges(empty, 'ann', 'public')).toEqual([]);
    expect(publish.firstPublishChanges(state, 'ann', 'restricted')).toEqual([]);
    const gone = fold(plainSchema, [[release('1')], [change.deleteAllChange('ann')]]);
    expect(publish.isFirstPublish(gone)).toBe(false);
  });
});

describe('tags', () => {
  it('move to versions that are there', () => {
    expect(publish.moveTag(state, 'ann', 'latest', '2')).toEqual([change.tagChange('ann', 'latest', '2')]);
    expect(() => publish.moveTag(state, 'ann', 'latest', '1')).toThrow(expect.objectContaining({ kind: 'not_found' }));
    const tagged = fold(plainSchema, [[change.tagChange('ann', 'latest', '2')]], { state, n: 4 });
    expect(publish.moveTag(tagged, 'ann', 'latest', '2')).toEqual([]);
  });
});

describe('history', () => {
  it('tells who changed what and when, without keys and manifests', async () => {
    const { repository, space, runtime } = plainRepository();
    const handle = await repository.open('p', callerOf({ user: 'ann', grants: PUBLISHER }), 'change');
    const secret = { ...fileNamed('1.tgz'), key: 'objects/plain/p/secret-key' };
    await handle.commit('create', () => ({
      changes: [
        change.publishChange('ann', { version: '1', manifest: '{"m":1}', files: [secret], tags: { latest: '1' } }),
        change.visibilityChange('ann', 'restricted'),
      ],
      result: 0,
    }));
    runtime.advance(1000);
    const many = Array.from({ length: 21 }, (_, n) => `${n}`);
    await handle.commit('overwrite', () => ({ changes: [change.statusChange('ann', many, 'yanked', 'bad')], result: 0 }));
    const records = [];
    for await (const record of historyOf(space, 'p')) records.push(record);
    expect(records).toEqual([
      {
        entry: 0,
        at: '2023-11-14T22:13:20.000Z',
        by: 'ann',
        type: 'publish',
        details: { version: '1', tags: { latest: '1' }, files: [{ name: '1.tgz', size: 5, sha256: secret.digests.sha256 }] },
      },
      { entry: 0, at: '2023-11-14T22:13:20.000Z', by: 'ann', type: 'visibility', details: { visibility: 'restricted' } },
      {
        entry: 1,
        at: '2023-11-14T22:13:21.000Z',
        by: 'ann',
        type: 'status',
        details: { status: 'yanked', reason: 'bad', versions: '21 versions' },
      },
    ]);
    expect(JSON.stringify(records)).not.toMatch(/secret-key|"m"/);
  });
});
