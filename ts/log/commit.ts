import { RegistryError, unavailable } from '../errors/registry-error.js';
import { randomId } from '../lib/ids.js';
import { unlessAborted } from '../lib/next-flight.js';
import { markerKey, timeOf } from '../storage/key.js';
import { StorageError } from '../storage/storage-error.js';
import type { RawEntry } from './checkpoint.js';
import type { CommitContext, Member } from './committer.js';
import { DamagedEntry, decodeEntry, encodeEntry, MAX_ENTRY_BYTES, markersVoid } from './entry.js';
import { applyChange } from './fold.js';
import type { Log } from './log.js';
import { putMarker } from './marker.js';
import type { Change, Committed, Snapshot } from './schema.js';

/** Leaves room for the first line, salt and markers. */
const MAX_CHANGES_BYTES = MAX_ENTRY_BYTES - 4096;
const BACKOFF_MS = 20;

interface Accepted<S> {
  readonly member: Member<S>;
  readonly result: unknown;
}

interface Refused<S> {
  readonly member: Member<S>;
  readonly error: unknown;
}

interface Evaluated<S> {
  readonly accepted: readonly Accepted<S>[];
  readonly changes: readonly Change[];
  readonly at: number;
  readonly refused: readonly Refused<S>[];
  readonly unchanged: readonly Accepted<S>[];
  /** Refused, or left with nothing to do, by what others of this entry change: true only once the entry stands. */
  readonly refusedBehind: readonly Refused<S>[];
  readonly unchangedBehind: readonly Accepted<S>[];
  /** Did not fit into this entry. */
  readonly rest: readonly Member<S>[];
}

/** Failures that trying again may mend. */
const isPassing = (error: unknown): error is StorageError =>
  error instanceof StorageError && error.kind !== 'full' && error.kind !== 'denied' && error.kind !== 'invalid';

/** Some members' changes on their way into one entry (design §1.1, steps 2 to 5). */
export class CommitBatch<S> {
  private readonly log: Log<S>;
  private readonly context: CommitContext<S>;
  private readonly id: string;
  private members: readonly Member<S>[];
  private rest: readonly Member<S>[] = [];
  private marker: string | undefined;
  /** A create may still arrive: its marker must stay. */
  private unknown = false;

  constructor(log: Log<S>, context: CommitContext<S>, members: readonly Member<S>[]) {
    this.log = log;
    this.context = context;
    this.members = members;
    this.id = randomId(context.runtime.random);
  }

  /** Settles its members, except those it hands back because they did not fit. Never throws. */
  async run(): Promise<readonly Member<S>[]> {
    try {
      await this.loop();
    } catch (error) {
      for (const member of this.members) member.reject(error);
      this.members = [];
    }
    if (this.marker !== undefined && !this.unknown) await this.withdraw(this.marker);
    return this.rest;
  }

  private async loop(): Promise<void> {
    let snapshot = await this.context.begin();
    let verified = this.context.mutants.has('refuse-from-cache');
    for (let round = 0; ; round += 1) {
      if (snapshot.broken !== undefined) {
        if (verified) throw unavailable('this package is damaged and closed for changes');
        // somebody may have repaired it
        snapshot = await this.log.refresh();
        verified = true;
        continue;
      }
      this.dropLate();
      const outcome = this.evaluate(snapshot);
      // a "no", and a "nothing to do", never rest on a cached belief
      if (!verified && outcome.refused.length + outcome.unchanged.length > 0) {
        snapshot = await this.log.refresh();
        verified = true;
        continue;
      }
      this.settle(outcome, snapshot);
      if (outcome.accepted.length === 0) return;
      if (await this.rescue(snapshot)) continue;
      await this.announce(snapshot);
      if (await this.create(snapshot, outcome)) return;
      snapshot = await this.log.refresh();
      verified = true;
      await this.backOff(round);
    }
  }

  private dropLate(): void {
    const now = this.context.runtime.clock.monotonic();
    this.members = this.members.filter((member) => {
      const { signal } = member.options;
      if (!signal?.aborted && now < member.deadline) return true;
      member.reject(signal?.aborted ? signal.reason : unavailable('the change could not be committed in time'));
      return false;
    });
  }

  /** Members one after the other, each on the state that the ones before it left; a bad one is refused alone. */
  private evaluate(snapshot: Snapshot<S>): Evaluated<S> {
    const at = Math.max(this.context.runtime.clock.now(), snapshot.at);
    const info = { n: snapshot.position, id: this.id, at };
    const out = {
      accepted: [] as Accepted<S>[],
      changes: [] as Change[],
      refused: [] as Refused<S>[],
      unchanged: [] as Accepted<S>[],
      refusedBehind: [] as Refused<S>[],
      unchangedBehind: [] as Accepted<S>[],
    };
    const rest: Member<S>[] = [];
    let state = snapshot;
    let bytes = 0;
    for (const member of this.members) {
      try {
        const { changes, result } = member.decide(state);
        if (changes.length === 0) {
          (state === snapshot ? out.unchanged : out.unchangedBehind).push({ member, result });
          continue;
        }
        const dated = changes.map((change): Change => ({ ...change, at }));
        const size = Buffer.byteLength(JSON.stringify(dated));
        if (size > MAX_CHANGES_BYTES) throw new RegistryError('too_large', 'this change is too large to be recorded');
        if (bytes + size > MAX_CHANGES_BYTES) {
          rest.push(member);
          continue;
        }
        state = dated.reduce((before, change) => applyChange(this.context.schema, before, change, info), state);
        bytes += size;
        out.changes.push(...dated);
        out.accepted.push({ member, result });
      } catch (error) {
        (state === snapshot ? out.refused : out.refusedBehind).push({ member, error });
      }
    }
    return { ...out, at, rest };
  }

  private settle(outcome: Evaluated<S>, snapshot: Snapshot<S>): void {
    for (const { member, error } of outcome.refused) member.reject(error);
    // Another instance may have made it so a moment ago: that its answer still waits does not help those who read behind this one.
    for (const { member, result } of outcome.unchanged)
      this.acknowledge(member, { snapshot, result, changed: false }, this.settleMs);
    this.rest = [...this.rest, ...outcome.rest];
    const settled = new Set([...outcome.refused, ...outcome.unchanged].map(({ member }) => member).concat(outcome.rest));
    this.members = this.members.filter((member) => !settled.has(member));
  }

  /** Objects that a collector's floor has passed move above it. True: keys changed, decide again. */
  private async rescue(snapshot: Snapshot<S>): Promise<boolean> {
    if (this.context.mutants.has('skip-rescue')) return false;
    const floor = snapshot.floor.objects;
    const low = this.members.filter(({ options }) => options.objects?.some(({ key }) => timeOf(key) < floor));
    for (const member of low) {
      try {
        await this.lift(member, floor);
      } catch (error) {
        this.refuse(member, error);
      }
    }
    return low.length > 0;
  }

  private async lift(member: Member<S>, floor: number): Promise<void> {
    for (const object of member.options.objects ?? []) {
      if (timeOf(object.key) >= floor) continue;
      const key = await this.copyInTime(member, object.key, floor);
      if (key === undefined) throw unavailable('the uploaded bytes have expired, send them again');
      object.key = key;
    }
  }

  /** A copy may take long, but not longer than its member may: others wait behind it. */
  private async copyInTime(member: Member<S>, key: string, floor: number): Promise<string | undefined> {
    const { clock } = this.context.runtime;
    const limit = new AbortController();
    const timer = clock.after(Math.max(0, member.deadline - clock.monotonic()), () =>
      limit.abort(unavailable('the uploaded bytes could not be copied in time')),
    );
    try {
      return await unlessAborted(this.context.copyAbove(key, floor, limit.signal), limit.signal);
    } finally {
      timer.cancel();
    }
  }

  private refuse(member: Member<S>, error: unknown): void {
    member.reject(error);
    this.members = this.members.filter((other) => other !== member);
  }

  /** Durable before the create starts; not below the floor of the state that the create builds upon. */
  private async announce(snapshot: Snapshot<S>): Promise<void> {
    if (this.members.every(({ unmarked }) => unmarked) || this.context.mutants.has('marker-after-create')) return;
    if (this.marker !== undefined && !markersVoid([this.marker], snapshot.floor)) return;
    const { space, driver, runtime } = this.context;
    const where = { space, key: this.log.key, identity: snapshot.identity, floor: snapshot.floor.markers };
    this.marker = await putMarker(driver, runtime, where);
  }

  /** True: the entry stands and its members are answered. False: somebody else took the slot. */
  private async create(snapshot: Snapshot<S>, outcome: Evaluated<S>): Promise<boolean> {
    const { runtime } = this.context;
    const mark = this.log.dirty;
    const bytes = encodeEntry({
      n: snapshot.position,
      prev: snapshot.head,
      id: this.id,
      at: outcome.at,
      salt: runtime.random.bytes(16),
      markers: this.marker === undefined ? [] : [this.marker],
      ...(snapshot.named || snapshot.identity === '' ? {} : { name: snapshot.identity }),
      changes: outcome.changes,
    });
    if (!(await this.take(snapshot.position, bytes))) return false;
    const since = runtime.clock.monotonic();
    this.unknown = false;
    if (this.context.mutants.has('marker-after-create')) await this.lateMarker(snapshot);
    const { marker } = this;
    this.marker = undefined;
    const after = await this.log.accept(snapshot, { entry: decodeEntry(bytes, snapshot.position), bytes }, mark);
    this.context.onCommitted(marker, snapshot.position);
    this.answer(after, outcome, since);
    return true;
  }

  private async lateMarker(snapshot: Snapshot<S>): Promise<void> {
    const { space, driver, runtime } = this.context;
    await putMarker(driver, runtime, { space, key: this.log.key, identity: snapshot.identity, floor: 0 });
  }

  /** The create itself, until it is certain who has the slot. */
  private async take(n: number, bytes: Uint8Array): Promise<boolean> {
    const key = this.context.slot(this.log.key, n);
    const ifAbsent = !this.context.mutants.has('unconditional-create');
    for (let round = 0; ; round += 1) {
      const asked = await this.ask(key, bytes, ifAbsent);
      if (asked === 'written') return true;
      const there = await this.look(n);
      // what is no entry can be nobody's, and the log ends there: the state says so
      const lost = there === 'damaged' || (there !== undefined && !this.isOwn(there));
      // a lost answer to our own create: asking once more makes a folder sync what an interrupted call may not have synced
      if (there && !lost && (asked === 'exists' || !this.unknown)) return true;
      if (lost) {
        // whoever has the slot has it for ever: the own create cannot arrive any more
        this.unknown = false;
        return false;
      }
      await this.backOff(round);
      if (this.members.every(({ deadline }) => this.context.runtime.clock.monotonic() >= deadline))
        throw unavailable('the store did not answer in time');
    }
  }

  /** Undefined: no telling. What trying again cannot mend is thrown. */
  private async ask(key: string, bytes: Uint8Array, ifAbsent: boolean): Promise<'written' | 'exists' | undefined> {
    try {
      return await this.context.driver.write(key, bytes, { ifAbsent });
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (error.kind !== 'conflict') this.unknown = true;
      return undefined;
    }
  }

  /** The slot, if it can be read just now. */
  private async look(n: number): Promise<RawEntry | 'damaged' | undefined> {
    try {
      return await this.log.readSlot(n);
    } catch (error) {
      if (error instanceof DamagedEntry) return 'damaged';
      if (!isPassing(error)) throw error;
      return undefined;
    }
  }

  private isOwn(there: RawEntry): boolean {
    return there.entry.id === this.id && !this.context.mutants.has('forget-own-id');
  }

  private answer(snapshot: Snapshot<S>, outcome: Evaluated<S>, since: number): void {
    const left = this.settleMs - (this.context.runtime.clock.monotonic() - since);
    for (const { member, error } of outcome.refusedBehind) member.reject(error);
    for (const { member, result } of outcome.accepted) this.acknowledge(member, { snapshot, result, changed: true }, left);
    for (const { member, result } of outcome.unchangedBehind)
      this.acknowledge(member, { snapshot, result, changed: false }, left);
    this.members = [];
  }

  private get settleMs(): number {
    return this.context.mutants.has('acknowledge-at-once') ? 0 : this.context.settleMs;
  }

  /** When every instance sees it, unless its readers ask by exact name. */
  private acknowledge(member: Member<S>, committed: Committed<S, unknown>, left: number): void {
    if (member.options.visible === 'named' || member.unmarked || left <= 0) member.resolve(committed);
    else this.context.runtime.clock.sleep(left).then(() => member.resolve(committed), member.reject);
  }

  private async withdraw(marker: string): Promise<void> {
    try {
      await this.context.driver.delete([markerKey(this.context.space, marker, this.log.key)]);
    } catch (error) {
      this.context.onFault(error, `marker of ${this.log.key}`);
    }
  }

  private backOff(round: number): Promise<void> {
    const { clock, random } = this.context.runtime;
    return clock.sleep(random.fraction() * BACKOFF_MS * 2 ** Math.min(round, 6));
  }
}
