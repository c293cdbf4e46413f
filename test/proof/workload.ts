import semver from 'semver';
import { at, documentOf, shasum, tarballOf } from './documents.js';
import type { Operation } from './linearizability.js';
import { type Input, NOTHING, type Output, seenOf } from './package-model.js';

export interface Told {
  readonly status: number;
  readonly text: string;
}

/** One instance of the registry, asked as an npm client asks. */
export type Instance = (method: string, path: string, body?: unknown) => Promise<Told>;

export interface WorkloadOptions {
  readonly instances: readonly Instance[];
  readonly clients: number;
  /** Requests in all. */
  readonly operations: number;
  readonly packages: number;
  /** So many of the packages are worked on at a time, each as long as any other; default: all. The fewer, the more often clients meet. */
  readonly inHand?: number;
  readonly seed: number;
  /** What package names begin with. */
  readonly prefix: string;
  /** Begin with a meeting: at once each client publishes a version of its own through an instance of its own; when all are answered, each reads it there. */
  readonly meeting?: boolean;
}

export interface RecordedOperation extends Operation<Input, Output> {
  /** Which of the instances was asked. */
  readonly instance: number;
}

export interface Recorded {
  /** By package. */
  readonly histories: ReadonlyMap<string, readonly RecordedOperation[]>;
  /** How often what came out, for proof that the run was worth something. */
  readonly counts: Readonly<Record<string, number>>;
}

interface Document {
  readonly _rev: string;
  readonly 'dist-tags': Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, { readonly deprecated?: string; readonly dist: { readonly shasum: string } }>>;
}

/** Small and good enough: splitmix32. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below;
  };
}

const documentIn = ({ status, text }: Told): Document | undefined =>
  status === 200 ? (JSON.parse(text) as Document) : undefined;

function seenIn(told: Told): string | undefined {
  if (told.status === 404) return NOTHING;
  const document = documentIn(told);
  if (!document) return undefined;
  const versions = Object.entries(document.versions).map(([version, { dist, deprecated = '' }]) => [
    version,
    [dist.shasum, deprecated] as const,
  ]);
  return seenOf(Object.fromEntries(versions) as Record<string, readonly [string, string]>, document['dist-tags']);
}

const output = (status: number, no: number): Output | undefined => (status < 300 ? 'ok' : status === no ? 'no' : undefined);

class Client {
  private readonly id: number;
  private readonly run: Run;
  private readonly random: (below: number) => number;

  constructor(id: number, run: Run, random: (below: number) => number) {
    this.id = id;
    this.run = run;
    this.random = random;
  }

  async work(): Promise<void> {
    while (this.run.left > 0) {
      const name = this.run.name(this.random);
      const dice = this.random(20);
      if (dice < 5) await this.publish(name);
      else if (dice < 8) await this.tag(name);
      else if (dice < 10) await this.deprecate(name);
      else if (dice < 12) await this.unpublish(name);
      else await this.read(name);
    }
  }

  /** Versions are few, so that clients meet. */
  private version(name: string): string {
    const begun = this.run.begun.get(name) ?? 0;
    return `1.0.${Math.max(0, begun - 3) + this.random(5)}`;
  }

  async meet(): Promise<void> {
    await this.publish(`${this.run.options.prefix}0`, `0.0.${this.id}`, this.id);
  }

  async lookAround(): Promise<void> {
    await this.read(`${this.run.options.prefix}0`, '', this.id);
  }

  private async publish(name: string, version = this.version(name), instance?: number): Promise<void> {
    this.run.begun.set(name, Math.max(this.run.begun.get(name) ?? 0, (semver.parse(version)?.patch ?? 0) + 1));
    const salt = `${this.id}-${this.run.left}`;
    const tag = this.random(3) === 0 ? 'next' : 'latest';
    const tarball = tarballOf(name, version, salt);
    const input: Input = { op: 'publish', version, shasum: shasum(tarball), tag };
    await this.record(
      name,
      input,
      'PUT',
      at(name),
      documentOf({ name, version, tarball, tag }),
      ({ status }) => output(status, 403),
      instance,
    );
  }

  private async tag(name: string): Promise<void> {
    const [tag, version] = [`t${this.random(2)}`, this.version(name)];
    const path = `/-/package${at(name)}/dist-tags/${tag}`;
    await this.record(name, { op: 'tag', tag, version }, 'PUT', path, version, ({ status }) => output(status, 404));
  }

  private async deprecate(name: string): Promise<void> {
    const [version, message] = [this.version(name), this.random(3) === 0 ? '' : `message ${this.random(100)}`];
    const body = { versions: { [version]: { deprecated: message } } };
    await this.record(name, { op: 'deprecate', version, message }, 'PUT', at(name), body, ({ status }) =>
      output(status === 404 ? 409 : status, 409),
    );
  }

  /** As npm does it: the document, and then the document without the version. Never the last one. */
  private async unpublish(name: string): Promise<void> {
    const told = await this.read(name, '?write=true');
    const document = told && documentIn(told);
    if (!told || !document) return;
    const versions = Object.keys(document.versions);
    const version = versions[this.random(versions.length)];
    if (versions.length < 2 || version === undefined) return;
    const seen = seenIn(told) ?? '';
    const body = { versions: Object.fromEntries(versions.filter((other) => other !== version).map((other) => [other, {}])) };
    await this.record(name, { op: 'unpublish', version, seen }, 'PUT', `${at(name)}/-rev/${document._rev}`, body, ({ status }) =>
      status === 409 ? 'stale' : output(status, 0),
    );
  }

  private read(name: string, query = '', instance?: number): Promise<Told | undefined> {
    const outcome = (told: Told): Output | undefined => {
      const seen = seenIn(told);
      return seen === undefined ? undefined : { seen };
    };
    return this.record(name, { op: 'read' }, 'GET', `${at(name)}${query}`, undefined, outcome, instance);
  }

  private async record(
    name: string,
    input: Input,
    method: string,
    path: string,
    body: unknown,
    outcome: (told: Told) => Output | undefined,
    which?: number,
  ): Promise<Told | undefined> {
    const { run } = this;
    const { instances } = run.options;
    const number = (which ?? this.random(instances.length)) % instances.length;
    const instance = instances[number] as Instance;
    run.left -= 1;
    const called = performance.now();
    const told = await instance(method, path, body).catch(() => undefined);
    const result = told && outcome(told);
    const returned = result === undefined ? Number.POSITIVE_INFINITY : performance.now();
    run.note(name, { client: this.id, instance: number, input, output: result, called, returned }, told);
    return told;
  }
}

class Run {
  readonly options: WorkloadOptions;
  left: number;
  readonly begun = new Map<string, number>();
  readonly histories = new Map<string, RecordedOperation[]>();
  readonly counts: Record<string, number> = {};

  constructor(options: WorkloadOptions) {
    this.options = options;
    this.left = options.operations;
  }

  /** One of those in hand: they move on evenly from the first to the last. */
  name(random: (below: number) => number): string {
    const { operations, packages, prefix, inHand = packages } = this.options;
    const first = Math.floor(((operations - this.left) / operations) * (packages - inHand + 1));
    return `${prefix}${first + random(inHand)}`;
  }

  note(name: string, operation: RecordedOperation, told: Told | undefined): void {
    const { input, output: result } = operation;
    const word = result === undefined ? `unknown ${told?.status ?? 'broken'}` : typeof result === 'string' ? result : 'seen';
    const key = `${input.op} ${word}`;
    this.counts[key] = (this.counts[key] ?? 0) + 1;
    // A read that failed says nothing.
    if (input.op === 'read' && result === undefined) return;
    const history = this.histories.get(name) ?? [];
    history.push(operation);
    this.histories.set(name, history);
  }
}

/** Lets clients loose on some instances of one registry, and writes down what they asked and were told. */
export async function record(options: WorkloadOptions): Promise<Recorded> {
  const run = new Run(options);
  const clients = Array.from({ length: options.clients }, (_, id) => new Client(id, run, randomOf(options.seed * 1_000 + id)));
  if (options.meeting) {
    await Promise.all(clients.map((client) => client.meet()));
    await Promise.all(clients.map((client) => client.lookAround()));
  }
  await Promise.all(clients.map((client) => client.work()));
  return run;
}
