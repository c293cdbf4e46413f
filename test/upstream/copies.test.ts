import { expect, it } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import { DriverObjectStore } from '../../ts/storage/driver-object-store.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { copyBody } from '../../ts/storage/key.js';
import { Copies } from '../../ts/upstream/copies.js';
import { sweepCopies } from '../../ts/upstream/sweep-copies.js';
import { ManualClock } from '../http/manual-clock.js';

const DAY = 86_400_000;
const place = { upstream: 'a', pkg: 'left-pad-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', what: 'document' };
const none = { etag: undefined, lastModified: undefined };
const bytes = (text: string): Uint8Array => Buffer.from(text);

function rig() {
  const clock = new ManualClock();
  const runtime = { clock, random: systemRuntime.random };
  const driver = new SynchronousMemoryDriver({ runtime });
  const copies = new Copies({ repository: 'npm', driver, runtime, objects: new DriverObjectStore(driver, runtime, copyBody) });
  const keys = async (): Promise<string[]> => (await driver.list('cache/')).objects.map(({ key }) => key);
  const sweep = (now: number, dryRun = false) => sweepCopies({ driver, repository: 'npm', now, grace: DAY, dryRun });
  return { clock, driver, copies, keys, sweep };
}

it('keeps what was checked, and finds it again', async () => {
  const { copies, keys } = rig();
  const kept = await copies.keep(place, bytes('one'), { etag: '"1"', lastModified: undefined }, { max: 10 });
  expect(await copies.find(place)).toEqual(kept);
  expect(kept).toMatchObject({ size: 3, etag: '"1"' });
  expect(Buffer.from((await copies.bytes(kept, 10)) ?? []).toString()).toBe('one');
  expect(await keys()).toHaveLength(2);
});

it('keeps nothing of what is refused, or too long, or cut; what was there before stays', async () => {
  const { copies, keys } = rig();
  const kept = await copies.keep(place, bytes('one'), none, { max: 10 });
  const refuse = () => {
    throw new Error('other bytes');
  };
  await expect(copies.keep(place, bytes('two'), none, { max: 10, check: refuse })).rejects.toThrow('other bytes');
  await expect(copies.keep(place, bytes('too long'), none, { max: 5 })).rejects.toThrow('more than 5');
  const cut = (async function* () {
    yield bytes('th');
    throw new Error('cut');
  })();
  await expect(copies.keep(place, cut, none, { max: 10 })).rejects.toThrow('cut');
  expect(await copies.find(place)).toEqual(kept);
  expect(await keys()).toHaveLength(2);
});

it('keeps those that were there first of the same bytes, with the validators of those that came last', async () => {
  const { clock, copies, keys } = rig();
  const first = await copies.keep(place, bytes('one'), { etag: '"1"', lastModified: undefined }, { max: 10 });
  clock.advance(5);
  const second = await copies.keep(place, bytes('one'), { etag: '"2"', lastModified: undefined }, { max: 10 });
  expect(second).toEqual({ ...first, etag: '"2"', at: first.at + 5 });
  expect(await copies.find(place)).toEqual(second);
  expect(await keys()).toHaveLength(2);
});

it('does not take bytes that are gone for the same', async () => {
  const { copies, driver } = rig();
  const first = await copies.keep(place, bytes('one'), none, { max: 10 });
  await driver.delete([first.key]);
  const second = await copies.keep(place, bytes('one'), none, { max: 10 });
  expect(second.key).not.toBe(first.key);
  expect(await copies.bytes(second, 10)).toBeDefined();
});

it('confirms what is there; what was replaced, dropped or is gone is no copy any more', async () => {
  const { clock, copies, driver } = rig();
  const one = await copies.keep(place, bytes('one'), none, { max: 10 });
  clock.advance(5);
  expect(await copies.confirm(place, one)).toEqual({ ...one, at: one.at + 5 });
  const two = await copies.keep(place, bytes('two'), none, { max: 10 });
  expect(await copies.confirm(place, one)).toBeUndefined();
  expect(await copies.find(place)).toEqual(two);
  await driver.delete([two.key]);
  expect(await copies.confirm(place, two)).toBeUndefined();
  await copies.drop(place);
  expect(await copies.confirm(place, two)).toBeUndefined();
  expect(await copies.find(place)).toBeUndefined();
});

it('forgets what is lost, but not what has come in its place', async () => {
  const { copies, driver } = rig();
  const one = await copies.keep(place, bytes('one'), none, { max: 10 });
  const two = await copies.keep(place, bytes('two'), none, { max: 10 });
  await copies.lost(place, one.key);
  expect(await copies.find(place)).toEqual(two);
  await driver.delete([two.key]);
  await copies.lost(place, two.key);
  expect(await copies.find(place)).toBeUndefined();
});

it('lets go of the bytes that are replaced, and of all that is dropped', async () => {
  const { copies, keys } = rig();
  await copies.keep(place, bytes('one'), none, { max: 10 });
  await copies.keep(place, bytes('two'), none, { max: 10 });
  expect(await keys()).toHaveLength(2);
  await copies.drop(place);
  expect(await keys()).toEqual([]);
  expect(await copies.find(place)).toBeUndefined();
});

it('takes a head that it cannot read for none', async () => {
  const { copies, driver, keys } = rig();
  await copies.keep(place, bytes('one'), none, { max: 10 });
  const head = (await keys()).find((key) => key.endsWith('.json')) ?? '';
  for (const text of ['', '{', '[]', 'null', '{"v":2}', '{"v":1,"key":"k","size":1,"at":1,"digests":{}}']) {
    await driver.write(head, bytes(text));
    expect(await copies.find(place)).toBeUndefined();
  }
});

it('sweeps bytes that no head names once they are a day old, and nothing else', async () => {
  const { clock, copies, driver, keys, sweep } = rig();
  const before = await copies.keep(place, bytes('one'), none, { max: 10 });
  await copies.keep({ ...place, what: 'file' }, bytes('file'), none, { max: 10 });
  const orphan = copyBody('npm', `${place.upstream}/${place.pkg}`, clock.now(), 'b'.repeat(26));
  await driver.write(orphan, bytes('orphan'));
  await driver.write(`cache/npm/a/${place.pkg}/notes.txt`, bytes('of somebody else'));
  const all = await keys();
  expect(await sweep(clock.now() + DAY - 1)).toEqual({ condemned: 0, bytes: 0 });
  expect(await sweep(clock.now() + DAY, true)).toEqual({ condemned: 1, bytes: 6 });
  expect(await keys()).toEqual(all);
  expect(await sweep(clock.now() + DAY)).toEqual({ condemned: 1, bytes: 6 });
  expect(await keys()).toEqual(all.filter((key) => key !== orphan));
  expect(await copies.bytes(before, 10)).toBeDefined();
});
