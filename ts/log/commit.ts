import { unavailable } from '../errors/registry-error.js';
import { randomId } from '../lib/ids.js';
import { unlessAborted } from '../lib/next-flight.js';
import { prepareWrite } from '../storage/abilities.js';
import type { PreparedWrite } from '../storage/driver.js';
import { markerKey, timeOf } from '../storage/key.js';
import { StorageError } from '../storage/storage-error.js';
import type { RawEntry } from './checkpoint.js';
import type { CommitContext, Member } from './committer.js';
import { DamagedEntry, decodeEntry, encodeEntry, markersVoid } from './entry.js';
import { type Accepted, type Evaluated, evaluate } from './evaluate.js';
import type { Log } from './log.js';
import { newMarker, putMarker } from './marker.js';
import type { Committed, Snapshot } from './schema.js';

const BACKOFF_MS = 20;

/** An entry whose marker and objects are on stable storage; `prepared`: so are its bytes, which wait for their slot. */
interface Ready {
  readonly raw: RawEntry;
  readonly prepared: PreparedWrite | undefined;
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
      const at = Math.max(this.context.runtime.clock.now(), snapshot.at);
      const outcome = evaluate(this.context.schema, snapshot, this.members, { n: snapshot.position, id: this.id, at });
      // a "no", and a "nothing to do", never rest on a cached belief
      if (!verified && outcome.refused.length + outcome.unchanged.length > 0) {
        snapshot = await this.log.refresh();
        verified = true;
        continue;
      }
      this.settle(outcome, snapshot);
      if (outcome.accepted.length === 0) return;
      if (await this.rescue(snapshot)) continue;
      const ready = await this.makeReady(snapshot, outcome);
      if (!ready) continue;
      if (await this.create(snapshot, outcome, ready)) return;
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
      const key = await this.inTime(member, 'the uploaded bytes could not be copied in time', async (signal) => {
        await object.durable;
        return this.context.copyAbove(object.key, floor, signal);
      });
      if (key === undefined) throw unavailable('the uploaded bytes have expired, send them again');
      object.key = key;
    }
  }

  /** It may take long, but not longer than its member may: others wait behind it. */
  private async inTime<T>(member: Member<S>, late: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock } = this.context.runtime;
    const limit = new AbortController();
    const timer = clock.after(Math.max(0, member.deadline - clock.monotonic()), () => limit.abort(unavailable(late)));
    try {
      return await unlessAborted(work(limit.signal), limit.signal);
    } finally {
      timer.cancel();
    }
  }

  private refuse(member: Member<S>, error: unknown): void {
    member.reject(error);
    this.members = this.members.filter((other) => other !== member);
  }

  /**
   * All that must be on stable storage before the create, side by side: the marker, the members' objects, the entry's own bytes. Undefined: a member has
   * lost its objects and dropped out, so there is another entry to make.
   */
  private async makeReady(snapshot: Snapshot<S>, outcome: Evaluated<S>): Promise<Ready | undefined> {
    const marker = this.markerFor(snapshot);
    const announced = marker === this.marker ? Promise.resolve() : this.announce(snapshot, marker);
    const stored = this.haveStored(outcome.accepted);
    // the first failure is thrown below, the other one has nobody who hears it
    announced.catch(() => undefined);
    const bytes = this.encode(snapshot, outcome, marker);
    // a failure is left to the create, which tells what may be tried again
    const prepared = await this.prepare(snapshot.position, bytes).catch(() => undefined);
    try {
      // read back while the rest is on its way
      const raw = { entry: decodeEntry(bytes, snapshot.position), bytes };
      await announced;
      if (await stored) return { raw, prepared };
    } catch (error) {
      await prepared?.discard();
      await stored;
      throw error;
    }
    await prepared?.discard();
    return undefined;
  }

  /** Not below the floor of the state that the create builds upon. */
  private markerFor(snapshot: Snapshot<S>): string | undefined {
    if (this.members.every(({ unmarked }) => unmarked) || this.context.mutants.has('marker-after-create')) return undefined;
    if (this.marker !== undefined && !markersVoid([this.marker], snapshot.floor)) return this.marker;
    return newMarker(this.context.runtime, snapshot.floor.markers);
  }

  private async announce({ identity }: Snapshot<S>, marker: string | undefined): Promise<void> {
    if (marker === undefined) return;
    const { space, driver } = this.context;
    await putMarker(driver, marker, { space, key: this.log.key, identity });
    this.marker = marker;
  }

  /** False: the objects of some could not be stored, and those are refused. */
  private async haveStored(accepted: readonly Accepted<S>[]): Promise<boolean> {
    const judged = await Promise.all(
      accepted.map(async ({ member }) => {
        const waits = member.options.objects?.flatMap(({ durable }) => durable ?? []) ?? [];
        if (waits.length === 0) return true;
        try {
          await this.inTime(member, 'the uploaded bytes could not be stored in time', () => Promise.all(waits));
          return true;
        } catch (error) {
          this.refuse(member, error);
          return false;
        }
      }),
    );
    return judged.every(Boolean);
  }

  private encode(snapshot: Snapshot<S>, outcome: Evaluated<S>, marker: string | undefined): Uint8Array {
    return encodeEntry({
      n: snapshot.position,
      prev: snapshot.head,
      id: this.id,
      at: outcome.at,
      salt: this.context.runtime.random.bytes(16),
      markers: marker === undefined ? [] : [marker],
      ...(snapshot.named || snapshot.identity === '' ? {} : { name: snapshot.identity }),
      changes: outcome.changes,
    });
  }

  private prepare(n: number, bytes: Uint8Array): Promise<PreparedWrite> {
    const ifAbsent = !this.context.mutants.has('unconditional-create');
    return prepareWrite(this.context.driver, this.context.slot(this.log.key, n), bytes, { ifAbsent });
  }

  /** True: the entry stands and its members are answered. False: somebody else took the slot. */
  private async create(snapshot: Snapshot<S>, outcome: Evaluated<S>, { raw, prepared }: Ready): Promise<boolean> {
    const mark = this.log.dirty;
    if (!(await this.take(snapshot.position, raw.bytes, prepared))) return false;
    const since = this.context.runtime.clock.monotonic();
    this.unknown = false;
    if (this.context.mutants.has('marker-after-create')) await this.lateMarker(snapshot);
    const { marker } = this;
    this.marker = undefined;
    const after = await this.log.accept(snapshot, raw, mark);
    this.context.onCommitted(marker, snapshot.position);
    this.answer(after, outcome, since);
    return true;
  }

  private async lateMarker({ identity }: Snapshot<S>): Promise<void> {
    const { space, driver, runtime } = this.context;
    await putMarker(driver, newMarker(runtime, 0), { space, key: this.log.key, identity });
  }

  /** The create itself, until it is certain who has the slot. */
  private async take(n: number, bytes: Uint8Array, prepared: PreparedWrite | undefined): Promise<boolean> {
    let write = prepared && (() => prepared.commit());
    for (let round = 0; ; round += 1) {
      const asked = await this.ask(write ?? (async () => (await this.prepare(n, bytes)).commit()));
      write = undefined;
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
  private async ask(write: () => Promise<'written' | 'exists'>): Promise<'written' | 'exists' | undefined> {
    try {
      return await write();
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
