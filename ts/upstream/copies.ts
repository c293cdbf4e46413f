import { text, utf8 } from '../lib/bytes.js';
import type { Runtime } from '../lib/clock.js';
import type { Digests } from '../lib/digest.js';
import { readWhole } from '../storage/abilities.js';
import type { StorageDriver, WriteBody } from '../storage/driver.js';
import { copyHead } from '../storage/key.js';
import type { ObjectStore, PutOptions } from '../storage/object-store.js';

/** What a copy is a copy of. */
export interface Place {
  /** Id of the upstream. */
  readonly upstream: string;
  /** `slug-hash` of the package. */
  readonly pkg: string;
  /** Which of its documents or files. */
  readonly what: string;
}

export interface Validators {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

/** Bytes of an upstream that are here. */
export interface Copy extends Validators {
  /** Where they lie. */
  readonly key: string;
  readonly size: number;
  readonly digests: Digests;
  /** Milliseconds since the epoch: when the upstream last said that they are what it has. */
  readonly at: number;
}

export interface KeepOptions extends Omit<PutOptions, 'later' | 'hasher'> {
  /** Looks at what has arrived; what it throws goes to the caller, and nothing is kept. */
  readonly check?: (arrived: { readonly size: number; readonly digests: Digests }) => void;
}

export interface CopiesParts {
  readonly repository: string;
  readonly driver: StorageDriver;
  /** Puts what it is given to `copyBody`. */
  readonly objects: Pick<ObjectStore, 'put'>;
  readonly runtime: Runtime;
}

const HEAD_MAX = 64 * 1024;

/**
 * Copies of what upstreams have shown, below `cache/<repository>/`. Bytes come under a fresh key, are looked at, and then a small head names them: nobody
 * ever sees half of a copy, or one that was not checked. Everything here may be deleted at any time.
 */
export class Copies {
  private readonly repository: string;
  private readonly driver: StorageDriver;
  private readonly runtime: Runtime;
  private readonly objects: Pick<ObjectStore, 'put'>;

  constructor(parts: CopiesParts) {
    this.repository = parts.repository;
    this.driver = parts.driver;
    this.runtime = parts.runtime;
    this.objects = parts.objects;
  }

  /** Undefined: there is none, or none that this program can read. */
  async find(place: Place, signal?: AbortSignal): Promise<Copy | undefined> {
    const head = await readWhole(this.driver, this.headKey(place), HEAD_MAX, { signal });
    return head && copyFrom(head.bytes);
  }

  /**
   * Stores bytes, and lets go of those that stood there before; of the same bytes those stay that were there first, because somebody may be reading them.
   * Throws what the body, `check` or the storage throws; then what was there before is still there.
   */
  async keep(place: Place, body: WriteBody, validators: Validators, options: KeepOptions): Promise<Copy> {
    const { check, ...how } = options;
    const put = await this.objects.put(this.repository, `${place.upstream}/${place.pkg}`, body, how);
    const { size, digests } = put;
    let before: Copy | undefined;
    let same: boolean;
    try {
      check?.({ size, digests });
      before = await this.find(place, how.signal);
      same = before?.digests.sha256 === digests.sha256 && (await this.isWhole(before, how.signal));
    } catch (error) {
      await this.forget(put.key);
      throw error;
    }
    const copy = { key: (same && before?.key) || put.key, size, digests, ...validators, at: this.runtime.clock.now() };
    // from here on a head may name the new bytes, whatever the store says of it
    await this.write(place, copy, how.signal);
    const left = same ? put.key : before?.key;
    if (left !== undefined) await this.forget(left);
    return copy;
  }

  /**
   * The upstream has just said that it is still good. Undefined: these bytes are no copy any more; other instances have let go of them, or its operator. A
   * head that names them all the same would be a copy that nobody can read.
   */
  async confirm(place: Place, copy: Copy, signal?: AbortSignal): Promise<Copy | undefined> {
    const now = await this.find(place, signal);
    if (now?.digests.sha256 !== copy.digests.sha256 || !(await this.isWhole(now, signal))) return undefined;
    const { etag, lastModified } = copy;
    const confirmed = { ...now, etag, lastModified, at: this.runtime.clock.now() };
    await this.write(place, confirmed, signal);
    return confirmed;
  }

  /** Its bytes are gone: who looks for it from now on finds none. */
  async lost(place: Place, key: string, signal?: AbortSignal): Promise<void> {
    const copy = await this.find(place, signal);
    if (copy?.key === key) await this.driver.delete([this.headKey(place)], { signal });
  }

  /** There is no such thing any more. */
  async drop(place: Place, signal?: AbortSignal): Promise<void> {
    const copy = await this.find(place, signal);
    if (copy) await this.driver.delete([this.headKey(place), copy.key], { signal });
  }

  /** All of a copy's bytes; undefined: they are gone. */
  async bytes(copy: Copy, max: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const found = await readWhole(this.driver, copy.key, max, { signal });
    return found?.bytes.byteLength === copy.size ? found.bytes : undefined;
  }

  private async isWhole({ key, size }: Copy, signal: AbortSignal | undefined): Promise<boolean> {
    return (await this.driver.stat(key, { signal }))?.size === size;
  }

  private write(place: Place, copy: Copy, signal: AbortSignal | undefined): Promise<unknown> {
    return this.driver.write(this.headKey(place), utf8(`${JSON.stringify({ v: 1, ...copy })}\n`), { signal });
  }

  private headKey({ upstream, pkg, what }: Place): string {
    return copyHead(this.repository, upstream, pkg, what);
  }

  /** What stays is found by the sweep. */
  private async forget(key: string): Promise<void> {
    await this.driver.delete([key]).catch(() => undefined);
  }
}

const optional = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string';

/** What a head says; undefined where this program did not write it. */
export function copyFrom(bytes: Uint8Array): Copy | undefined {
  try {
    const { v, key, size, digests, at, etag, lastModified } = JSON.parse(text(bytes)) as Readonly<Record<string, unknown>>;
    const known = v === 1 && typeof key === 'string' && typeof size === 'number' && typeof at === 'number';
    if (!known || !optional(etag) || !optional(lastModified)) return undefined;
    if (typeof digests !== 'object' || typeof (digests as { sha256?: unknown } | null)?.sha256 !== 'string') return undefined;
    return { key, size, digests: digests as Digests, at, etag, lastModified };
  } catch {
    return undefined;
  }
}
