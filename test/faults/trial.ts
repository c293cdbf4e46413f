import { RegistryError } from '../../ts/errors/registry-error.js';
import type { Fault, FaultKind } from '../../ts/testing/index.js';
import { Machine } from './machine.js';
import { type Operation, perform, upload } from './operations.js';
import { type Fact, Reference, seen } from './reference.js';
import { World } from './world.js';

/** Those of the driver. */
export const FAULT_KINDS: readonly FaultKind[] = [
  'before',
  'after',
  'torn',
  'hang',
  'slow-down',
  'conflict',
  'exists-though-ours',
  'death',
  'pause',
];
/** And a pause whose call arrives only when the process has given it up. */
export type Kind = FaultKind | 'pause-late';
export const KINDS: readonly Kind[] = [...FAULT_KINDS, 'pause-late'];

export interface Point {
  readonly operation: Operation;
  readonly kind: Kind;
  readonly at: number;
  /** Death again, at this call of the retry. */
  readonly again?: number;
}

export const lineOf = ({ operation, kind, at, again }: Point): string =>
  `${operation.name} / ${kind} / ${at}${again === undefined ? '' : ` / ${again}`}`;

const BEYOND_EVERY_GRACE = 45 * 24 * 60 * 60 * 1000;
const isPause = (kind: Kind): boolean => kind === 'pause' || kind === 'pause-late';

const faultOf = ({ kind, at }: Point): Fault => {
  if (kind === 'pause-late') return { at, kind: 'pause' };
  return kind === 'slow-down' ? { at, kind, count: 3 } : { at, kind };
};

/** One run of one operation with one fault. */
export class Trial {
  private readonly world: World;
  private readonly reference = new Reference();
  private readonly point: Point;

  constructor(point: Point, world = new World()) {
    this.point = point;
    this.world = world;
  }

  /** False: the operation was over before the fault. Throws what is wrong. */
  async run(): Promise<boolean> {
    const { operation } = this.point;
    await this.prepare();
    const machine = new Machine(this.world, [faultOf(this.point)]);
    await this.attempt(machine);
    if (!machine.driver.fired) {
      machine.end();
      return false;
    }
    if (machine.driver.isDead || isPause(this.point.kind)) machine.end();
    else await this.checkSurvivor(machine);
    if (this.broken(machine)) await this.checkBroken();
    await this.check(undefined, 'after a restart');
    if (this.point.again !== undefined && !(await this.dieAgain(this.point.again))) return false;
    await this.retry(operation);
    await this.aftermath();
    return true;
  }

  private async prepare(): Promise<void> {
    const { operation } = this.point;
    const machine = new Machine(this.world);
    await this.world.drive(machine.open());
    for (const fact of operation.before) {
      await this.world.drive(perform(machine, fact));
      this.reference.certain.push(fact);
    }
    await operation.prepare?.(machine);
    machine.end();
  }

  private async attempt(machine: Machine): Promise<void> {
    const { operation } = this.point;
    if (operation.fact) this.reference.open.push(operation.fact);
    const work = machine
      .open()
      .then(() => operation.act(machine))
      .then(() => true)
      .catch(() => false);
    const acknowledged = await this.untilOver(machine, work);
    // what follows the answer
    if (!machine.driver.isDead) await this.untilOver(machine, this.world.pass(1000));
    if (acknowledged) this.acknowledge(operation.fact);
  }

  private acknowledge(fact: Fact | undefined): void {
    if (!fact) return;
    const at = this.reference.open.indexOf(fact);
    if (at >= 0) this.reference.open.splice(at, 1);
    this.reference.certain.push(fact);
  }

  /** Drives the work to its end, or to the machine's: a dead or paused one's work is left alone. */
  private async untilOver<T>(machine: Machine, work: Promise<T>): Promise<T | undefined> {
    let over: T | undefined;
    const ends = work.then((value) => {
      over = value;
    });
    const stopped = async () => {
      await this.world.turn();
      if (machine.driver.isPaused) {
        machine.clock.frozen = true;
        await this.meanwhile();
        await this.wake(machine);
      }
    };
    await this.world.drive(ends, stopped);
    return over;
  }

  /** Everything else goes on while the process stands still, for longer than every grace. */
  private async meanwhile(): Promise<void> {
    const { world } = this;
    world.time += BEYOND_EVERY_GRACE;
    const other = new Machine(world);
    await world.drive(other.open());
    await world.drive(upload(other, 'p', 'given up by somebody'));
    await world.drive(other.sweep());
    await world.drive(other.collect());
    const fact: Fact = { type: 'publish', pkg: 'p', version: '7', content: 'meanwhile', tag: 'meanwhile' };
    await world.drive(perform(other, fact));
    this.reference.certain.push(fact);
    await world.drive(other.sweep());
    world.time += BEYOND_EVERY_GRACE;
    await world.drive(other.collect());
    other.end();
  }

  private async wake(machine: Machine): Promise<void> {
    machine.clock.frozen = false;
    if (this.point.kind === 'pause-late') {
      // its timers come first: it gives the call up, and the call arrives all the same
      await this.world.pass(0);
      await this.world.turn();
    }
    machine.driver.resume();
    await this.world.turn();
  }

  private async checkSurvivor(machine: Machine): Promise<void> {
    // what is left of a store's bad minute
    for (let i = 0; this.point.kind === 'slow-down' && i < 3; i += 1) await machine.driver.stat('x').catch(() => undefined);
    if (!this.broken(machine) && !this.point.operation.mends) await this.check(machine, 'on the instance that lived through it');
    machine.end();
  }

  /** The store itself broke its promise, in a slot: the log is closed until an operator has it repaired. */
  private broken(machine: Machine): boolean {
    const call = machine.driver.calls[this.point.at - 1];
    return this.point.kind === 'torn' && call?.method === 'write' && /^(log|feed)\//.test(call.key);
  }

  /** Loud, and never an answer that is not true; `verify --repair` opens the log again. */
  private async checkBroken(): Promise<void> {
    const fresh = new Machine(this.world);
    const state = await this.world.drive(
      fresh
        .open()
        .then(() => seen(fresh, this.reference))
        .catch(() => undefined),
    );
    // a copy without a feed knows few names until it is mended
    const judged = !this.point.operation.mends && state !== undefined && state.startsWith('{');
    if (judged && !this.reference.allowed().has(state)) throw new Error(`with half an entry: ${state}`);
    const findings = await this.world.drive(fresh.findings());
    fresh.end();
    if (!findings.some((finding) => finding.startsWith('log '))) throw new Error(`half an entry is not found: ${findings}`);
    await this.repair();
  }

  private async repair(): Promise<void> {
    const operator = new Machine(this.world);
    const left = await this.world.drive(operator.open().then(() => operator.findings(true)));
    operator.end();
    if (left.length > 0) throw new Error(`what --repair leaves: ${left.join('; ')}`);
  }

  /** On a fresh instance unless one is given. */
  private async check(machine: Machine | undefined, when: string): Promise<void> {
    if (this.point.operation.mends) await this.repair();
    const fresh = machine ?? (await this.world.drive(new Machine(this.world).open()));
    const state = await this.world.drive(seen(fresh, this.reference));
    const allowed = this.reference.allowed();
    if (!allowed.has(state)) throw new Error(`${when}: ${state}\n  allowed: ${[...allowed.keys()].join('\n  or ')}`);
    if (machine) return;
    this.reference.settle(state, false);
    const findings = await this.world.drive(fresh.findings());
    fresh.end();
    if (findings.length > 0) throw new Error(`${when}, verification finds ${findings.join('; ')}`);
  }

  /** The retry dies too. False: it was over before. */
  private async dieAgain(at: number): Promise<boolean> {
    const { operation } = this.point;
    if (operation.fact) this.reference.open.push(operation.fact);
    const machine = new Machine(this.world, [{ at, kind: 'death' }]);
    const acknowledged = await this.untilOver(
      machine,
      machine
        .open()
        .then(() => operation.act(machine))
        .then(() => true)
        .catch(() => false),
    );
    if (!machine.driver.isDead) await this.world.pass(1000);
    if (acknowledged) this.acknowledge(operation.fact);
    machine.end();
    await this.check(undefined, 'after the second death');
    return machine.driver.fired;
  }

  /** The same request again: it succeeds, or is told that all of it is there. */
  private async retry(operation: Operation): Promise<void> {
    const { fact } = operation;
    const before = [...this.reference.allowed().keys()];
    const machine = await this.world.drive(new Machine(this.world).open());
    const error = await this.world.drive(
      operation.act(machine).then(
        () => undefined,
        (reason: unknown) => reason,
      ),
    );
    await this.world.pass(1000);
    machine.end();
    if (fact && error === undefined) this.reference.certain.push(fact);
    if (error !== undefined) {
      const there = new Reference();
      there.certain.push(...this.reference.certain);
      if (fact) there.certain.push(fact);
      const told = error instanceof RegistryError && (error.kind === 'conflict' || error.kind === 'not_found');
      const all = before.length === 1 && there.allowed().has(before[0] ?? '');
      if (!fact || !told || !all) throw new Error(`the retry fails: ${String(error)}`);
    }
    await this.check(undefined, 'after the retry');
  }

  /** Views may vanish, and collections run: no answer changes. */
  private async aftermath(): Promise<void> {
    const { world } = this;
    const machine = await world.drive(new Machine(world).open());
    await world.drive(machine.sweep());
    const { objects } = await world.store.list('derived/');
    await world.store.delete(objects.map(({ key }) => key));
    machine.end();
    await this.check(undefined, 'without views');
    world.time += BEYOND_EVERY_GRACE;
    const collector = await world.drive(new Machine(world).open());
    await world.drive(collector.sweep());
    await world.drive(collector.collect());
    collector.end();
    await this.check(undefined, 'after a collection');
    const { objects: markers } = await world.store.list('pending/');
    if (markers.length > 0) throw new Error(`markers are left: ${markers.map(({ key }) => key).join(' ')}`);
  }
}
