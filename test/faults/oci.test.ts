import { afterAll, describe, expect, it } from 'vitest';
import type { Fault, FaultKind } from '../../ts/testing/index.js';
import { afresh, begin, furnish, OPERATIONS, type Operation, type View, view } from './oci-requests.js';
import { type Process, Site, type Stored, type Told } from './oci-world.js';
import { FAULT_KINDS } from './trial.js';
import { REPLAY } from './tried.js';

/** CI takes every call and kind; by hand one kind in three and every so many calls, others for each request. */
const WHOLE = Boolean(process.env['REQUIRE_CLIENTS']);
const STRIDE = WHOLE ? 1 : 50;
/** No request makes so many calls. */
const MAX_POINTS = 150;
/** A store as an operation finds it, and what it should leave. */
interface Ground {
  readonly content: Stored;
  readonly location: string;
  readonly before: View;
  readonly after: View;
  /** Calls of an instance that starts. */
  readonly start: number;
}

const grounds = new Map<string, Promise<Ground>>();
const groundOf = (operation: Operation): Promise<Ground> => {
  const known = grounds.get(operation.name) ?? prepare(operation);
  grounds.set(operation.name, known);
  return known;
};

async function look(site: Site, location: string, process?: Process): Promise<View> {
  const fresh = process ?? (await site.process().open());
  const seen = await site.drive(view(fresh, location));
  if (!process) fresh.end();
  return seen;
}

async function prepare(operation: Operation): Promise<Ground> {
  const site = new Site(1);
  const first = await site.process().open();
  await site.drive(furnish(first.ask));
  const location = operation.upload === undefined ? '' : await site.drive(begin(first.ask, operation.upload));
  await site.settle();
  first.end();
  const content = await site.content();
  const before = await look(await Site.with(content, 2), location);
  const clean = await Site.with(content, 3);
  clean.world.time += operation.later ?? 0;
  const process = await clean.process().open();
  const start = process.driver.calls.length;
  const told = await clean.drive(operation.act(process, location));
  expect(told.status).toBe(operation.ok);
  await clean.settle();
  process.end();
  const after = await look(clean, location);
  return { content, location, before, after, start };
}

interface Point {
  readonly operation: Operation;
  readonly kind: FaultKind;
  /** Number of the call, from the request's first. */
  readonly at: number;
}

const lineOf = ({ operation, kind, at }: Point): string => `oci ${operation.name} / ${kind} / ${at}`;

class Trial {
  private readonly point: Point;
  private readonly site: Site;
  private readonly ground: Ground;

  constructor(point: Point, site: Site, ground: Ground) {
    this.point = point;
    this.site = site;
    this.ground = ground;
  }

  /** False: everything was over before the fault. */
  async run(): Promise<boolean> {
    const { site, ground, point } = this;
    const { operation, kind } = point;
    site.world.time += operation.later ?? 0;
    const at = ground.start + point.at;
    const fault: Fault = kind === 'slow-down' ? { at, kind, count: 3 } : { at, kind };
    const process = await site.process([fault]).open();
    const told = await this.attempt(process);
    if (!process.driver.fired) return this.over(process);
    const lost = this.uploadIsLost(process);
    if (!this.isBroken(process)) this.judge(told, process, lost);
    if (this.isBroken(process)) return this.checkBroken(process);
    await this.burn(process);
    const alive = !process.driver.isDead;
    const done = told !== undefined && told.status < 300 && alive && !operation.quiet;
    if (alive) this.check(await look(site, ground.location, process), done, lost, 'the instance that lived through it');
    this.check(await look(site, ground.location), done, lost, 'a second instance');
    await this.retry(alive ? process : undefined, lost);
    process.end();
    return true;
  }

  private over(process: Process): false {
    process.end();
    return false;
  }

  /** Drives the request to its end, and what follows it. A dead process's request may never end. */
  private async attempt(process: Process): Promise<Told | undefined> {
    const { site, ground, point } = this;
    let over = false;
    let told: Told | undefined;
    const work = point.operation.act(process, ground.location).then(
      (answer) => {
        told = answer;
        over = true;
      },
      () => {
        over = true;
      },
    );
    const ends = new Promise<void>((resolve) => {
      void work.then(resolve);
      const watch = (): void => {
        if (over || process.driver.isDead) resolve();
        else setImmediate(watch);
      };
      watch();
    });
    await site.drive(ends, () => this.idle(process));
    if (!process.driver.isDead) await site.drive(site.world.pass(1_500), () => this.idle(process));
    return told;
  }

  /** While a process stands still, another one does the same, and is believed. */
  private async idle(process: Process): Promise<void> {
    for (let n = 0; n < 8; n += 1) await new Promise((resolve) => setImmediate(resolve));
    if (!process.driver.isPaused) return;
    const { site, ground, point } = this;
    process.clock.frozen = true;
    const other = await site.process().open();
    const told = await site.drive(point.operation.act(other, ground.location));
    expect(told.status, 'while another stands still').toBeLessThan(500);
    await site.settle();
    other.end();
    process.clock.frozen = false;
    process.driver.resume();
  }

  private judge(told: Told | undefined, process: Process, lost: boolean): void {
    const { kind, operation } = this.point;
    if (process.driver.isDead || !told) return;
    const { status, headers, bytes } = told;
    const allowed = [operation.ok, ...(lost ? [] : [503])];
    if (kind === 'pause') allowed.push(...operation.done);
    // an upload that is lost is not there any more, and the client is told so at once: it begins another one
    if (lost && operation.afresh) allowed.push(404);
    if (!allowed.includes(status)) throw new Error(`answers ${status} ${bytes.toString('utf8')}`);
    if (status === 503 && headers['retry-after'] === undefined) throw new Error('does not say when to come again');
  }

  /** What is left of a store's bad minute. */
  private async burn({ driver }: Process): Promise<void> {
    if (this.point.kind === 'slow-down') for (let n = 0; n < 3; n += 1) await driver.stat('x').catch(() => undefined);
  }

  private tornAt({ driver }: Process): string | undefined {
    const call = driver.calls[this.ground.start + this.point.at - 1];
    return this.point.kind === 'torn' && call?.method === 'write' ? call.key : undefined;
  }

  /** The store itself broke its promise in a slot: no log can mend that. */
  private isBroken(process: Process): boolean {
    return /^(?:log|feed)\//.test(this.tornAt(process) ?? '');
  }

  private uploadIsLost(process: Process): boolean {
    return /^upload\//.test(this.tornAt(process) ?? '');
  }

  /** Loud, and never an answer that is not true. */
  private async checkBroken(process: Process): Promise<true> {
    process.end();
    const { site, ground } = this;
    const fresh = await site.process().open();
    const seen = await site.drive(view(fresh, ''));
    for (const [line, said] of Object.entries(seen))
      if (!said.startsWith('503') && said !== ground.before[line] && said !== ground.after[line])
        throw new Error(`with half an entry: ${line}: ${said}`);
    const findings = await site.drive(fresh.findings());
    fresh.end();
    if (!findings.some((finding) => finding.startsWith('log '))) throw new Error(`half an entry is not found: ${findings}`);
    return true;
  }

  private check(seen: View, done: boolean, lost: boolean, who: string): void {
    const { before, after } = this.ground;
    const lines = Object.keys(after).filter((line) => !(lost && line === 'upload'));
    const wrong = (wanted: View): readonly string[] => lines.filter((line) => seen[line] !== wanted[line]);
    if (wrong(after).length === 0) return;
    if (!done && wrong(before).length === 0) return;
    const { piecemeal, between } = this.point.operation;
    // an upload may be left open behind its blob
    const allowed = (line: string) =>
      done && line !== 'upload' ? [after[line]] : [before[line], after[line], ...(line === 'upload' ? [between] : [])];
    if (piecemeal && lines.every((line) => allowed(line).includes(seen[line]))) return;
    throw new Error(`${who}, ${done ? 'acknowledged' : 'open'}: ${wrong(after).map((line) => `${line}: ${seen[line]}`)}`);
  }

  /** The same request again, at the instance that refused it where it lives: it succeeds, or hears that it has been obeyed. */
  private async retry(survivor: Process | undefined, lost: boolean): Promise<void> {
    const { site, ground, point } = this;
    const { operation } = point;
    const fresh = survivor ?? (await site.process().open());
    let told = await site.drive(operation.act(fresh, ground.location));
    if (lost && operation.afresh && told.status === 404) told = await site.drive(afresh(fresh.ask));
    else if (![operation.ok, ...operation.done].includes(told.status))
      throw new Error(`the retry: ${told.status} ${told.bytes.toString('utf8')}`);
    await site.settle();
    const judge = await site.process().open();
    const seen = await look(site, ground.location, judge);
    if (!lost) this.check(seen, true, false, 'after the retry');
    const findings = await site.drive(judge.findings());
    judge.end();
    fresh.end();
    if (findings.length > 0) throw new Error(`verification finds ${findings.join('; ')}`);
  }
}

async function tried(point: Point): Promise<boolean> {
  const ground = await groundOf(point.operation);
  try {
    return await new Trial(point, await Site.with(ground.content, 4), ground).run();
  } catch (error) {
    const command = `FAULT_REPLAY='${lineOf(point)}' npx vitest run --config test/vitest.config.ts test/faults/oci`;
    throw new Error(`${String(error)}\n  replay: ${command}`);
  }
}

describe.skipIf(REPLAY !== undefined)('OCI requests, with a fault at every storage call', () => {
  let runs = 0;
  afterAll(() =>
    console.log(
      `OCI: ${runs} faults in ${OPERATIONS.length} requests${WHOLE ? '' : '; the others are for CI: REQUIRE_CLIENTS=1 runs them'}`,
    ),
  );
  describe.each(OPERATIONS)('$name', (operation) => {
    const number = OPERATIONS.indexOf(operation);
    it.each(FAULT_KINDS.filter((_, n) => WHOLE || (n + number) % 3 === 0))(
      'INV1 INV2 INV4: %s',
      { timeout: 120_000 },
      async (kind) => {
        const wrong: string[] = [];
        const first = 1 + ((number + 3 * FAULT_KINDS.indexOf(kind)) % Math.min(STRIDE, operation.points));
        let at = first;
        for (; at <= MAX_POINTS; at += STRIDE) {
          const reached = await tried({ operation, kind, at }).catch((error: Error) => {
            wrong.push(error.message);
            return true;
          });
          if (!reached) break;
          runs += 1;
        }
        expect(wrong.slice(0, 3).join('\n')).toBe('');
        expect(at + STRIDE).toBeGreaterThan(operation.points);
        expect(at).toBeLessThan(MAX_POINTS);
      },
    );
  });
});

const [, name, kind, at] = /^oci (.+) \/ (\S+) \/ (\d+)$/.exec(REPLAY ?? '') ?? [];
if (name !== undefined)
  it(`replays ${REPLAY}`, async () => {
    const operation = OPERATIONS.find((one) => one.name === name);
    const known = FAULT_KINDS.find((one) => one === kind);
    if (!operation || !known) throw new Error(`no such fault: ${REPLAY}`);
    expect(await tried({ operation, kind: known, at: Number(at) })).toBe(true);
  });
