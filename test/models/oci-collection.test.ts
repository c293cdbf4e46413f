import type { StorageDriver } from '../../ts/storage/driver.js';
import { checkEveryState, type Mutants } from './check.js';
import { type Images, imagesOn } from './images.js';
import type { Scenario, Script } from './schedules.js';
import type { Stage } from './stage.js';

const HOUR = 60 * 60 * 1000;
const NONE: Mutants = new Set();

/** What a pusher may hear besides 201: the client uploads again, or comes again. */
const REFUSALS: readonly unknown[] = ['MANIFEST_BLOB_UNKNOWN', 'UNAVAILABLE', 'unavailable'];

function heard(answer: number | string): boolean {
  if (answer === 201) return true;
  if (!REFUSALS.includes(answer)) throw new Error(`answers ${answer}`);
  return false;
}

/** As clients push: ask, upload what is not there, then name it. */
async function push(images: Images, tag: string, layer: string): Promise<boolean> {
  if (!(await images.has(layer)) && !heard(await images.push(layer))) return false;
  return heard(await images.tag(tag, layer));
}

/** An image has brought the layer; it may be gone again. */
async function broughtBefore(stage: Stage, isGone: boolean): Promise<void> {
  const before = await imagesOn(stage, 'before', stage.store, NONE);
  await push(before, 'old', 'layer');
  if (isGone) await before.untag('old', 'layer');
}

/** Reads as somebody who comes when all is over. */
async function whole(stage: Stage, layers: Iterable<string>): Promise<string | undefined> {
  const later = await imagesOn(stage, 'later', stage.store, NONE);
  for (const layer of layers)
    if ((await later.pull(layer).catch(() => undefined)) !== layer) return 'what was acknowledged is gone';
  const { state } = await later.space.read('app');
  for (const { key } of state.blobs.values()) if (!stage.store.objects.has(key)) return 'a blob may be served that is not there';
  return undefined;
}

/** Those of a scenario's processes that take part. */
const chosen = <T>(all: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> =>
  Object.fromEntries(names.map((name) => [name, all[name] as T]));

/**
 * Two clients push images that share a layer, a third deletes the image that has brought it, a collector spares nothing for its age. What was
 * acknowledged pulls whole. Without a deleter the image is gone before they come. Who is among `asked` has heard before that the layer is here.
 */
const collection =
  (name: string, processes: readonly string[], asked: readonly string[] = []) =>
  (mutants: Mutants): Scenario => ({
    name,
    processes,
    async play(stage) {
      await broughtBefore(stage, !processes.includes('deleter'));
      const open = (name: string) => imagesOn(stage, name, processes.includes(name) ? stage.driver(name) : stage.store, mutants);
      const [one, two, deleter, collector] = [
        await open('pusher 1'),
        await open('pusher 2'),
        await open('deleter'),
        await open('collector'),
      ];
      for (const [name, images] of [
        ['pusher 1', one],
        ['pusher 2', two],
      ] as const)
        if (asked.includes(name) && !(await images.has('layer'))) throw new Error('the layer is not here');
      const pusher = async (images: Images, tag: string) =>
        asked.includes(`pusher ${tag}`) ? heard(await images.tag(tag, 'layer')) : push(images, tag, 'layer');
      return {
        scripts: chosen(
          {
            'pusher 1': () => pusher(one, '1'),
            'pusher 2': () => pusher(two, '2'),
            deleter: async () => void (await deleter.untag('old', 'layer')),
            collector: () => collector.collect(0),
          },
          processes,
        ),
      };
    },
    ends: (stage, told) => whole(stage, told['pusher 1'] || told['pusher 2'] ? ['layer'] : []),
  });

/**
 * Two pushers, two collectors, and a layer that nothing names any more. Who is among `asked` has heard before that it is here, the others that it is not:
 * sooner than any collector has dropped it, which is more than can happen. Each request, and each half of a collection, comes to an instance that knows
 * nothing of the one before, as behind a load balancer; what instances remember the other scenarios have.
 */
const beside =
  (name: string, processes: readonly string[], asked: readonly string[]) =>
  (mutants: Mutants): Scenario => ({
    name,
    processes,
    async play(stage) {
      await broughtBefore(stage, true);
      const open = async (process: string, phase: string) => {
        const driver: StorageDriver = processes.includes(process) ? stage.driver(process) : stage.store;
        // The walk over packages is given pages of one key: it then looks at no more of a log than it needs.
        const list: StorageDriver['list'] = (prefix, options) =>
          driver.list(prefix, prefix === 'log/r/' ? { ...options, limit: 1 } : options);
        const images = await imagesOn(stage, `${process} ${phase}`, Object.assign(Object.create(driver), { list }), mutants);
        await images.has('layer');
        return images;
      };
      const pusher = async (tag: string): Promise<Script> => {
        const name = `pusher ${tag}`;
        const [brings, names] = [await open(name, 'brings'), await open(name, 'names')];
        const named = async (isHere: unknown) => isHere === true && heard(await names.tag(tag, 'layer'));
        return asked.includes(name) ? () => named(true) : [() => brings.push('layer').then(heard), named];
      };
      const collector = async (number: number): Promise<Script> => {
        const [drops, sweeps] = [await open(`collector ${number}`, 'drops'), await open(`collector ${number}`, 'sweeps')];
        return [() => drops.drop(0), () => sweeps.sweep(0)];
      };
      return {
        scripts: chosen(
          {
            'pusher 1': await pusher('1'),
            'pusher 2': await pusher('2'),
            'collector 1': await collector(1),
            'collector 2': await collector(2),
          },
          processes,
        ),
      };
    },
    ends: (stage, told) => whole(stage, told['pusher 1'] || told['pusher 2'] ? ['layer'] : []),
  });

/**
 * A client that hears that a blob is here, or has just brought it, names it within half of the grace time and is not refused: not by a collector that runs
 * meanwhile, and not because the clock of the instance that took the blob in is a day behind.
 */
const grace =
  (name: string, processes: readonly string[]) =>
  (mutants: Mutants): Scenario => ({
    name,
    processes,
    async play(stage) {
      const pass = (hours: number): void => {
        stage.store.time += hours * HOUR;
        stage.clock.pass(hours * HOUR);
      };
      await (await imagesOn(stage, 'before', stage.store, NONE)).push('found');
      pass(14);
      const open = (name: string, skew = 0) =>
        imagesOn(stage, name, processes.includes(name) ? stage.driver(name) : stage.store, mutants, skew);
      const [finder, bringer, collector] = [await open('finder'), await open('bringer', -25 * HOUR), await open('collector')];
      /** A deadline may pass with the hours: then again. */
      const tag = async (images: Images, layer: string): Promise<boolean> => {
        for (let tries = 0; tries < 4; tries++) {
          const answer = await images.tag(layer, layer);
          if (answer === 'MANIFEST_BLOB_UNKNOWN') throw new Error(`${layer}: was here, and is unknown when it is named`);
          if (heard(answer)) return true;
        }
        return false;
      };
      return {
        scripts: chosen(
          {
            finder: async () => (await finder.has('found')) && (await tag(finder, 'found')),
            bringer: async () => (await bringer.push('brought')) === 201 && (await tag(bringer, 'brought')),
            collector: () => collector.collect(24 * HOUR),
            time: async () => pass(11),
          },
          processes,
        ),
      };
    },
    ends: (stage, { finder, bringer }) => whole(stage, [...(finder ? ['found'] : []), ...(bringer ? ['brought'] : [])]),
  });

/** Two requests finish one upload, a third cancels it. Whoever is told that the blob is here can have it. */
const finishing =
  (pieces: readonly string[]) =>
  (mutants: Mutants): Scenario => ({
    name: `upload-of-${pieces.length}`,
    processes: ['finisher 1', 'finisher 2', 'canceller'],
    async play(stage) {
      const layer = pieces.join('');
      const id = await (await imagesOn(stage, 'before', stage.store, NONE)).begin(...pieces);
      const open = (name: string) => imagesOn(stage, name, stage.driver(name), mutants);
      const [one, two, canceller] = [await open('finisher 1'), await open('finisher 2'), await open('canceller')];
      const finish = async (images: Images) => {
        const answer = await images.finish(id, layer);
        if (answer !== 201 && answer !== 'BLOB_UPLOAD_UNKNOWN') throw new Error(`answers ${answer}`);
        return answer === 201;
      };
      return {
        scripts: {
          'finisher 1': () => finish(one),
          'finisher 2': () => finish(two),
          canceller: async () => {
            const answer = await canceller.cancel(id);
            if (answer !== 204 && answer !== 'BLOB_UPLOAD_UNKNOWN') throw new Error(`answers ${answer}`);
          },
        },
      };
    },
    ends: (stage, told) => whole(stage, told['finisher 1'] || told['finisher 2'] ? [pieces.join('')] : []),
  });

checkEveryState(collection('images-of-one', ['pusher 1', 'deleter', 'collector']), ['delete-before-drop', 'manifest-unchecked']);
const PUSHERS = ['pusher 1', 'pusher 2', 'collector'];
checkEveryState(collection('images-asked', PUSHERS, ['pusher 1', 'pusher 2']), ['delete-before-drop', 'manifest-unchecked']);
checkEveryState(collection('images-half-asked', PUSHERS, ['pusher 1']), ['delete-before-drop', 'manifest-unchecked']);
checkEveryState(grace('images-found', ['finder', 'collector', 'time']), ['head-untouched']);
checkEveryState(grace('images-brought', ['bringer', 'collector', 'time']), ['age-by-writer-clock']);
checkEveryState(finishing(['layer']), ['finish-unsealed']);
checkEveryState(finishing(['lay', 'er']), []);

checkEveryState(beside('collector-of-one', ['pusher 1', 'collector 1'], []), ['delete-before-drop', 'manifest-unchecked']);
const COLLECTORS = ['collector 1', 'collector 2'];
checkEveryState(beside('collectors-of-asked', ['pusher 1', ...COLLECTORS], ['pusher 1']), [
  'delete-before-drop',
  'manifest-unchecked',
]);

/** Hundreds of thousands of states each; what their mutants do the smaller ones above notice. */
const LARGE = { large: true };
checkEveryState(collection('images-of-two', PUSHERS), [], LARGE);
checkEveryState(collection('images', ['pusher 1', 'pusher 2', 'deleter', 'collector']), [], LARGE);
const BESIDE = ['pusher 1', 'pusher 2', ...COLLECTORS];
checkEveryState(beside('collectors-asked', BESIDE, ['pusher 1', 'pusher 2']), [], LARGE);
/** With a pusher who brings the layer the end was not seen: a quarter of an hour of a processor's time was not enough. */
checkEveryState(beside('collectors-half-asked', BESIDE, ['pusher 1']), [], { ...LARGE, most: 20_000 });
checkEveryState(beside('collectors', BESIDE, []), [], { ...LARGE, most: 20_000 });
/** More than 1,757,000 states: after so many, six minutes of a processor's time, it was given up. Its halves are seen whole above. */
checkEveryState(grace('images-grace', ['finder', 'bringer', 'collector', 'time']), [], { ...LARGE, most: 60_000 });
