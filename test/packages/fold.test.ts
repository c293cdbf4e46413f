import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Change, type NewChange, UnknownChange } from '../../ts/log/schema.js';
import * as change from '../../ts/packages/changes.js';
import { packageSchema } from '../../ts/packages/fold.js';
import { anyEntry, at, fileNamed, fold, plain } from './changes.js';
import { plainCodec, plainSchema } from './plain-protocol.js';

const publish = (version: string, more: Partial<change.NewRelease> = {}, by = 'ann'): NewChange =>
  change.publishChange(by, { version, manifest: `{"version":"${version}"}`, files: [fileNamed(`${version}.tgz`)], ...more });

const folded = (...entries: (NewChange | readonly NewChange[])[]) =>
  fold(plainSchema, entries.map((entry) => (Array.isArray(entry) ? entry : [entry])) as NewChange[][]);

describe('publish', () => {
  it('makes a release with its files, manifest bytes, tags and data', () => {
    const state = folded(publish('1.0.0', { tags: { latest: '1.0.0' }, data: { readme: 'hi' } }));
    const release = state.releases.get('1.0.0');
    expect(release).toMatchObject({
      version: '1.0.0',
      publishedAt: 1000,
      publishedBy: 'ann',
      status: 'published',
      reason: undefined,
    });
    expect(release?.files).toEqual([{ ...fileNamed('1.0.0.tgz'), uploadedAt: 1000, data: null }]);
    expect(plain(state).releases[0]?.manifest).toBe('{"version":"1.0.0"}');
    expect([...state.tags]).toEqual([['latest', '1.0.0']]);
    expect(state.data).toEqual({ readme: 'hi' });
    expect([state.createdAt, state.modifiedAt]).toEqual([1000, 1000]);
  });

  it('lists its objects, so that the floor is checked against them', () => {
    const made = change.publishChange('ann', {
      version: '1',
      files: [fileNamed('a'), fileNamed('b')],
      manifest: { key: 'objects/plain/p/m', size: 1, sha256: 'x' },
    });
    expect(made.objects).toEqual([fileNamed('a').key, fileNamed('b').key, 'objects/plain/p/m']);
    expect(change.fileChange('ann', '1', fileNamed('c')).objects).toEqual([fileNamed('c').key]);
  });

  it('makes the first publisher the owner, and nobody else', () => {
    expect(folded(publish('1', {}, 'ann'), publish('2', {}, 'bob')).owners).toEqual(['ann']);
  });

  it('leaves the word to an owners change in the same entry', () => {
    expect(folded([publish('1'), change.ownersChange('ann', ['team'])]).owners).toEqual(['team']);
    expect(folded([publish('1'), change.ownersChange('ann', [])]).owners).toEqual([]);
    expect(folded([change.ownersChange('ann', ['team']), publish('1')]).owners).toEqual(['team']);
  });

  it('does not give a package away whose owners have left or whose releases are gone', () => {
    expect(folded([publish('1'), change.ownersChange('ann', [])], publish('2', {}, 'eve')).owners).toEqual([]);
    expect(folded(publish('1'), change.deleteAllChange('ann'), publish('2', {}, 'eve')).owners).toEqual(['ann']);
  });

  it('I1: keeps the order of publishing, also for a version that comes back', () => {
    const state = folded(publish('1'), publish('2'), change.deleteChange('ann', '1'), publish('1'));
    expect([...state.releases.keys()]).toEqual(['2', '1']);
    expect(state.releases.get('1')).toMatchObject({ status: 'published', publishedAt: 1003 });
  });

  it('publish times never run backwards inside a package, whatever the clock does', () => {
    let state = plainSchema.initial('p');
    for (const [n, time] of [5000, 3000, 4000, 6000].entries()) {
      state = plainSchema.apply(state, at(publish(`${n}`), time), { n, id: 'e', at: time });
    }
    expect([...state.releases.values()].map(({ publishedAt }) => publishedAt)).toEqual([5000, 5000, 5000, 6000]);
  });
});

describe('files, tags, status', () => {
  it('a file comes to a release that is there, replacing its namesake', () => {
    const late = { ...fileNamed('1.tgz'), key: 'objects/plain/p/other' };
    const state = folded(publish('1'), change.fileChange('ann', '1', fileNamed('1.whl')), change.fileChange('ann', '1', late));
    expect(state.releases.get('1')?.files.map(({ name, key, uploadedAt }) => [name, key, uploadedAt])).toEqual([
      ['1.whl', fileNamed('1.whl').key, 1001],
      ['1.tgz', 'objects/plain/p/other', 1002],
    ]);
  });

  it('a file for a version that never was is unreadable, not ignored', () => {
    expect(() => folded(change.fileChange('ann', '9', fileNamed('a')))).toThrow(UnknownChange);
  });

  it('I5: a tag never points to a version that is missing or deleted', () => {
    const state = folded(
      publish('1', { tags: { latest: '1', ghost: '7' } }),
      change.tagChange('ann', 'next', '9'),
      publish('2', { tags: { beta: '2' } }),
      change.deleteChange('ann', '1'),
      change.tagChange('ann', 'old', '1'),
    );
    expect([...state.tags]).toEqual([['beta', '2']]);
  });

  it('untag takes away, and an unknown tag is no error', () => {
    expect([
      ...folded(publish('1', { tags: { a: '1', b: '1' } }), change.untagChange('ann', 'a'), change.untagChange('ann', 'z')).tags,
    ]).toEqual([['b', '1']]);
  });

  it('I3: yank and un-yank many versions at once; deleted and unknown ones stay as they are', () => {
    const all = Array.from({ length: 5000 }, (_, n) => `${n}.0.0`);
    const state = folded(
      all.map((version) => publish(version)),
      change.deleteChange('ann', '7.0.0'),
      change.statusChange('ann', [...all, 'none'], 'yanked', 'broken'),
    );
    const count = (status: string) => [...state.releases.values()].filter((release) => release.status === status).length;
    expect([count('yanked'), count('deleted'), state.releases.size]).toEqual([4999, 1, 5000]);
    expect(state.releases.get('8.0.0')?.reason).toBe('broken');
    const undone = fold(plainSchema, [[change.statusChange('ann', all, 'published', 'no reason')]], { state, n: 3 });
    expect(undone.releases.get('8.0.0')).toMatchObject({ status: 'published', reason: undefined });
    expect(undone.releases.get('8.0.0')?.files).toHaveLength(1);
  });
});

describe('delete', () => {
  it('I2: a tombstone keeps version, names and digests taken, and nothing else', () => {
    const big = { key: 'objects/plain/p/m', size: 20_000, sha256: 'ab' };
    const state = folded(publish('1', { manifest: big }), change.deleteChange('ann', '1'));
    expect(state.releases.get('1')).toEqual({
      version: '1',
      publishedAt: 1000,
      publishedBy: 'ann',
      status: 'deleted',
      reason: undefined,
      files: [],
      manifest: undefined,
      retired: [
        {
          name: '1.tgz',
          size: 5,
          sha256: fileNamed('1.tgz').digests.sha256,
          key: fileNamed('1.tgz').key,
          entry: 1,
          purge: false,
        },
        { name: '', size: 20_000, sha256: 'ab', key: 'objects/plain/p/m', entry: 1, purge: false },
      ],
    });
    expect(plainSchema.summarise(state)).toBeUndefined();
  });

  it('purging later lets the bytes of what was deleted go at once', () => {
    const state = folded(
      publish('1'),
      change.deleteChange('ann', '1'),
      change.deleteChange('ann', '1'),
      change.deleteChange('ann', '1', true),
    );
    expect(state.releases.get('1')?.retired).toMatchObject([{ entry: 1, purge: true }]);
  });

  it('delete-all leaves tombstones of every version', () => {
    const state = folded(publish('1', { tags: { latest: '1' } }), publish('2'), change.deleteAllChange('ann'));
    expect([...state.releases.values()].map(({ status }) => status)).toEqual(['deleted', 'deleted']);
    expect([state.tags.size, state.owners]).toEqual([0, ['ann']]);
  });
});

describe('what the fold does not know', () => {
  it.each<[string, Record<string, unknown>]>([
    ['an unknown type', { type: 'sing' }],
    ['floors, which are the log’s', { type: 'floor', objectsFloor: 1 }],
    ['a publish without a version', { type: 'publish', files: [] }],
    ['a publish with files of another form', { type: 'publish', version: '1', files: [{ name: 'a' }] }],
    ['a status from the future', { type: 'status', versions: [], status: 'frozen' }],
    ['a visibility from the future', { type: 'visibility', visibility: 'secret' }],
    ['owners that are no list', { type: 'owners', owners: 'ann' }],
    ['tags that are no texts', { type: 'publish', version: '1', files: [], tags: { latest: 1 } }],
  ])('%s makes the package unreadable here', (_what, fields) => {
    expect(() =>
      plainSchema.apply(plainSchema.initial('p'), { by: 'ann', at: 1, ...fields } as Change, { n: 0, id: 'e', at: 1 }),
    ).toThrow(UnknownChange);
  });
});

describe('redaction', () => {
  it('keeps versions, names and digests taken and drops the content; redacting twice changes nothing', () => {
    const made = at(publish('1', { tags: { latest: '1' }, data: { readme: 'secret' }, manifest: '{"secret":true}' }), 1);
    const once = plainSchema.redact?.(made) as Change;
    expect(JSON.stringify(once)).not.toContain('secret');
    expect(plainSchema.redact?.(once)).toEqual(once);
    expect(once.objects).toEqual(made.objects);
    const state = fold(plainSchema, [[once], [publish('2')]]);
    expect(state.releases.get('1')).toMatchObject({
      status: 'deleted',
      files: [],
      retired: [{ name: '1.tgz', purge: true, entry: 0 }],
    });
    expect([state.tags.size, state.owners, state.data.readme]).toEqual([0, ['ann'], '']);
  });

  it('an erased late file leaves the release and its name', () => {
    const late = plainSchema.redact?.(at(change.fileChange('ann', '1', fileNamed('1.whl')), 1)) as Change;
    const state = fold(plainSchema, [[publish('1')], [late]]);
    expect(state.releases.get('1')?.files.map(({ name }) => name)).toEqual(['1.tgz']);
    expect(state.releases.get('1')?.retired).toMatchObject([{ name: '1.whl', purge: true }]);
  });

  it('any history whose entries were erased still folds, and reserves the same versions', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyEntry, fc.boolean()), { maxLength: 20 }), (entries) => {
        const kept = fold(
          plainSchema,
          entries.map(([entry]) => entry),
        );
        const erased = fold(
          plainSchema,
          entries.map(([entry, gone]) => (gone ? entry.map((one) => plainSchema.redact?.(at(one, 1)) as Change) : entry)),
        );
        expect(new Set(erased.releases.keys())).toEqual(new Set(kept.releases.keys()));
        expect(erased.owners).toEqual(kept.owners);
        expect(erased.visibility).toBe(kept.visibility);
      }),
      { numRuns: 200 },
    );
  });
});

describe('summaries', () => {
  it('carry the visibility beside the protocol’s own fields', () => {
    expect(plainSchema.summarise(folded(publish('1', { data: { readme: 'hi' } })))).toEqual({
      name: 'p',
      description: 'hi',
      visibility: 'public',
    });
    expect(plainSchema.summarise(folded([publish('1'), change.visibilityChange('ann', 'restricted')]))).toMatchObject({
      visibility: 'restricted',
    });
  });

  it('a protocol cannot say something else about the visibility, nor outgrow a feed line', () => {
    const schema = packageSchema({
      ...plainCodec,
      summarise: () => ({ visibility: 'public', long: 'ü'.repeat(5000), name: 'p' }),
    });
    const state = fold(schema, [[publish('1'), change.visibilityChange('ann', 'restricted')]]);
    expect(schema.summarise(state)).toEqual({ visibility: 'restricted', name: 'p' });
  });
});

describe('the codec', () => {
  it('hears of every change last', () => {
    const seen: string[] = [];
    const schema = packageSchema({
      ...plainCodec,
      onChange: (state, one) => {
        seen.push(`${one.type}:${state.releases.size}`);
        return state;
      },
    });
    fold(schema, [[publish('1'), change.tagChange('ann', 'a', '1')]]);
    expect(seen).toEqual(['publish:1', 'tag:1']);
  });
});

it('a state is never changed once it was made', () => {
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 20 }), (entries) => {
      let state = plainSchema.initial('p');
      for (const [n, entry] of entries.entries()) {
        const before = JSON.stringify(plain(state));
        const next = fold(plainSchema, [entry], { state, n });
        expect(JSON.stringify(plain(state))).toBe(before);
        state = next;
      }
    }),
    { numRuns: 100 },
  );
});
