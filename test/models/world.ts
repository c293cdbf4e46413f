import { createHash } from 'node:crypto';
import type { ListPage } from '../../ts/storage/driver.js';
import type { Stage } from './stage.js';

export interface Times {
  readonly store: number;
  readonly wall: number;
  readonly mono: number;
}

/** What a process asks of the world outside it. `text` is the same for the same question. */
export type Asked = { readonly text: string } & (
  | { readonly method: 'stat' | 'read'; readonly key: string }
  | { readonly method: 'list'; readonly prefix: string; readonly after: string; readonly limit: number }
  | {
      readonly method: 'write';
      readonly key: string;
      readonly bytes: Uint8Array;
      readonly digest: string;
      readonly ifAbsent: boolean;
    }
  | { readonly method: 'delete'; readonly keys: readonly string[] }
  | { readonly method: 'look'; readonly which: 'wall' | 'mono' }
  | { readonly method: 'pass'; readonly by: Times }
);

const added = (one: Times, other: Times): Times => ({
  store: one.store + other.store,
  wall: one.wall + other.wall,
  mono: one.mono + other.mono,
});

/** `known`: the same for the same answer. */
export interface Answer {
  readonly known: string | number;
  readonly result: unknown;
}

interface Stored {
  readonly bytes: Uint8Array;
  readonly modified: number;
  /** The same for the same bytes and time. */
  readonly id: number;
}

const numbers = new Map<string, number>();

/** A number for each text. */
export function numberOf(text: string): number {
  const known = numbers.get(text);
  if (known !== undefined) return known;
  numbers.set(text, numbers.size + 1);
  return numbers.size;
}

export const digestOf = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

/** 32 bits of both numbers. */
export function mixed(one: number, other: number, seed: number): number {
  let h = Math.imul(one ^ seed, 0x9e3779b1) ^ Math.imul(other + 0x7f4a7c15, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12) ^ other, 0x297a2d39);
  return h ^ (h >>> 15);
}

/** `creates`: a write that is none where the key is taken. `deletes` tells nobody whether there was anything. */
type Way = 'reads' | 'lists' | 'writes' | 'creates' | 'deletes';

/** What one question looks at or changes. */
interface Touch {
  readonly way: Way;
  /** Of a list its prefix. */
  readonly key: string;
  /** Of a list: what lies behind `after` up to `last`, and no more, has been looked at. */
  readonly after: string;
  readonly last: string | undefined;
}

/** By number. */
const touches: Touch[] = [];
const touchNumbers = new Map<string, number>();
const TIME = 'the time';

function touch(way: Way, key: string, after = '', last?: string): number {
  const text = `${way} ${key} ${after} ${last}`;
  const known = touchNumbers.get(text);
  if (known !== undefined) return known;
  touchNumbers.set(text, touches.length);
  return touches.push({ way, key, after, last }) - 1;
}

export const touchCount = (): number => touches.length;

const changes = ({ way }: Touch): boolean => way !== 'reads' && way !== 'lists';
const isListed = ({ key, after, last }: Touch, found: string): boolean =>
  found.startsWith(key) && found > after && (last === undefined || found <= last);

/** Whether it matters which of the two comes first. */
export function meets(one: number, other: number): boolean {
  const [a, b] = [touches[one], touches[other]];
  if (!a || !b || (!changes(a) && !changes(b)) || (a.way === 'deletes' && b.way === 'deletes')) return false;
  if (a.way === 'lists') return isListed(a, b.key);
  if (b.way === 'lists') return isListed(b, a.key);
  return a.key === b.key;
}

/** The key that is created with this touch, if it is one that creates. */
export function createdBy(number: number): string | undefined {
  const found = touches[number];
  return found?.way === 'creates' ? found.key : undefined;
}

/** Of who looks at this key. */
export const reading = (key: string): number => touch('reads', key);

/** What is stored at one moment, and what time it is. */
export class World {
  private objects: Map<string, Stored>;
  private times: Times;
  private shared: boolean;
  /** 64 bits of what is stored and of the time. */
  one: number;
  two: number;
  /** What was looked at and changed since this world was copied. */
  readonly touched: number[] = [];
  private mark = 0;

  private constructor(objects: Map<string, Stored>, times: Times, one: number, two: number) {
    this.objects = objects;
    this.times = times;
    this.one = one;
    this.two = two;
    this.shared = true;
  }

  static of({ store, clock }: Stage): World {
    const world = new World(new Map(), { store: store.time, wall: clock.wall, mono: clock.mono }, 0, 0);
    for (const [key, { bytes, modified }] of store.objects) world.put(key, bytes, modified, digestOf(bytes));
    return world;
  }

  copy(): World {
    return new World(this.objects, this.times, this.one, this.two);
  }

  has(key: string): boolean {
    return this.objects.has(key);
  }

  /** Makes the stage look like this. */
  onto(stage: Stage): void {
    stage.store.objects.clear();
    for (const [key, stored] of this.objects) stage.store.objects.set(key, stored);
    stage.store.time = this.times.store;
    stage.clock.wall = this.times.wall;
    stage.clock.mono = this.times.mono;
  }

  /** What the last question has touched. */
  latest(): readonly number[] {
    return this.touched.slice(this.mark);
  }

  /** The same text for the same content. */
  content(): string {
    return [...this.objects]
      .map(([key, { id }]) => `${key} ${id}`)
      .sort()
      .join();
  }

  apply(asked: Asked): Answer {
    this.mark = this.touched.length;
    switch (asked.method) {
      case 'look': {
        this.touched.push(touch('reads', TIME));
        const shown = this.times[asked.which];
        return { known: shown, result: shown };
      }
      case 'pass':
        this.touched.push(touch('writes', TIME));
        this.toggle(TIME, numberOf(JSON.stringify(this.times)));
        this.times = added(this.times, asked.by);
        this.toggle(TIME, numberOf(JSON.stringify(this.times)));
        return DONE;
      case 'list':
        return this.list(asked.prefix, asked.after, asked.limit);
      case 'delete':
        for (const key of asked.keys) this.remove(key);
        return DONE;
      case 'write': {
        const { key, bytes, digest, ifAbsent } = asked;
        if (ifAbsent && this.objects.has(key)) {
          // a create that finds the key taken has only looked
          this.touched.push(touch('reads', key));
          return EXISTS;
        }
        this.touched.push(touch(ifAbsent ? 'creates' : 'writes', key), touch('reads', TIME));
        this.put(key, bytes, this.times.store, digest);
        return WRITTEN;
      }
      default:
        return this.read(asked.key, asked.method === 'read');
    }
  }

  private read(key: string, whole: boolean): Answer {
    this.touched.push(touch('reads', key));
    const found = this.objects.get(key);
    if (!found) return NOTHING;
    const { bytes, modified, id } = found;
    const info = { size: bytes.byteLength, modified };
    return whole ? { known: id, result: { ...info, body: bytes } } : { known: `${info.size} ${modified}`, result: info };
  }

  private list(prefix: string, after: string, limit: number): Answer {
    const keys: string[] = [];
    for (const key of this.objects.keys()) if (key.startsWith(prefix) && key > after) keys.push(key);
    keys.sort();
    const objects = keys.slice(0, limit).map((key) => {
      const { bytes, modified } = this.objects.get(key) as Stored;
      return { key, size: bytes.byteLength, modified };
    });
    const last = objects.at(-1);
    // that there is more is part of the answer
    this.touched.push(touch('lists', prefix, after, keys[limit]));
    const result: ListPage = keys.length > limit && last ? { objects, next: last.key } : { objects };
    const known = objects.map(({ key, size, modified }) => `${numberOf(key)} ${size} ${modified}`);
    return { known: `${known.join()}${result.next === undefined ? '' : ' and more'}`, result };
  }

  private own(): Map<string, Stored> {
    if (this.shared) this.objects = new Map(this.objects);
    this.shared = false;
    return this.objects;
  }

  private toggle(key: string, id: number): void {
    const number = numberOf(key);
    this.one ^= mixed(number, id, 1);
    this.two ^= mixed(number, id, 2);
  }

  private put(key: string, bytes: Uint8Array, modified: number, digest: string): void {
    const objects = this.own();
    const before = objects.get(key);
    if (before) this.toggle(key, before.id);
    const id = numberOf(`${digest} ${modified}`);
    objects.set(key, { bytes, modified, id });
    this.toggle(key, id);
  }

  private remove(key: string): void {
    this.touched.push(touch('deletes', key));
    const before = this.objects.get(key);
    if (!before) return;
    this.toggle(key, before.id);
    this.own().delete(key);
  }
}

const DONE: Answer = { known: 'done', result: undefined };
const EXISTS: Answer = { known: 'exists', result: 'exists' };
const WRITTEN: Answer = { known: 'written', result: 'written' };
const NOTHING: Answer = { known: 'nothing', result: undefined };
