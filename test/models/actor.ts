import type { ListOptions, StorageDriver, WriteBody, WriteOptions } from '../../ts/storage/driver.js';
import type { Stage } from './stage.js';
import { type Asked, digestOf, type Times, type World } from './world.js';

/** One answer, and where it leads. */
export interface Edge {
  readonly from: Point;
  readonly result: unknown;
  readonly to: Point;
}

/**
 * One place in what a process can do, known by all that it was answered before: the code is the same, its random numbers are, and it knows nothing but
 * answers. So what it does next was seen once and needs not be run again.
 */
export class Point {
  readonly id: number;
  readonly by: Edge | undefined;
  readonly edges = new Map<string | number, Edge>();
  /** `waits`: for its next step. */
  kind: 'new' | 'waits' | 'asks' | 'over' = 'new';
  /** What it asks, or waits for. */
  text = '';
  asked: Asked | undefined;
  /** Of one that is over. */
  end: End | undefined;
  /** Of one that a phase begins at. */
  begins: Begin | undefined;
  /** The other one that takes its place: what comes behind both is the same. */
  taken: Point | undefined;
  /** Those whose place this one has taken. */
  readonly alike = new Set<Point>();
  private static count = 0;

  constructor(from?: Point, result?: unknown) {
    this.id = ++Point.count;
    this.by = from && { from, result, to: this };
  }

  /** What is known about it once the real code has got here; the same whenever it gets here. */
  is(kind: 'waits' | 'asks' | 'over', text: string, asked?: Asked): void {
    if (this.kind === 'new') {
      this.kind = kind;
      this.text = text;
      this.asked = asked;
    } else if (this.kind !== kind || this.text !== text)
      throw new Error(`what a process does depends on more than answers: ${this.kind} ${this.text}, then ${kind} ${text}`);
  }

  add(known: string | number, result: unknown): Edge {
    const edge = new Point(this, result).by as Edge;
    this.edges.set(known, edge);
    return edge;
  }
}

/** How a script has ended. */
export interface End {
  readonly answer: unknown;
  readonly failure: unknown;
}

/** How a phase begins: whatever those before it have seen, it knows of nothing but `told`. */
export interface Begin {
  readonly phase: number;
  readonly told: unknown;
}

/** Where a phase of a process begins. */
export function beginning(phase: number, told: unknown): Point {
  const point = new Point();
  point.is('waits', 'begins');
  point.begins = { phase, told };
  return point;
}

/** The beginning of the phase that this point is in. */
export function beginningOf(point: Point): Point & { readonly begins: Begin } {
  let at = point;
  while (at.by) at = at.by.from;
  if (!at.begins) throw new Error('a point belongs to no phase');
  return at as Point & { readonly begins: Begin };
}

/** A step begins with being let go. */
export const GO = 'go';

/** The real code of one phase of a process, somewhere on its way. It is alone on its stage, and what it asks is answered from a world or as it was before. */
export class Actor {
  at: Point;
  private readonly stage: Stage;
  private readonly index: number;
  private readonly name: string;
  private readonly onNew: (edge: Edge, world: World) => void;
  private world: World | undefined;
  private remembered: Edge[] = [];
  private end: End | undefined;
  private times: Times;
  /** What went wrong with an answer: the code may take the error for the store's. */
  private broken: Error | undefined;

  constructor(stage: Stage, index: number, name: string, script: () => Promise<unknown>, root: Point, onNew: Actor['onNew']) {
    this.stage = stage;
    this.index = index;
    this.name = name;
    this.at = root;
    this.onNew = onNew;
    this.times = timesOf(stage);
    stage.backing = this.backing();
    stage.clock.shows = (which) => this.ask({ method: 'look', which, text: which }) as number;
    void stage
      .step(this.name, 'begins')
      .then(script)
      .then(
        (answer) => {
          this.end = { answer, failure: undefined };
        },
        (failure: unknown) => {
          this.end = { answer: undefined, failure };
        },
      );
  }

  /** Goes again where the real code has been, from the beginning. */
  async replay(to: Point): Promise<void> {
    for (let edge = to.by; edge && edge.to !== this.at; edge = edge.from.by) this.remembered.unshift(edge);
    while (this.remembered.length > 0) {
      const edge = this.remembered.shift() as Edge;
      this.at = edge.to;
      await this.go();
    }
    if (this.at !== to) throw new Error(`${this.name} is not where it was`);
  }

  /** Its next step in this world. */
  async step(world: World): Promise<Point> {
    this.at = (this.at.edges.get(GO) ?? this.at.add(GO, undefined)).to;
    this.world = world;
    await this.go();
    this.world = undefined;
    const asks = this.stage.asks(this.name);
    if (asks !== undefined) this.at.is('waits', asks);
    else if (!this.end) throw new Error(`${this.name} sleeps, which nobody here can end`);
    else {
      this.at.is('over', JSON.stringify([this.end.answer, String(this.end.failure)]));
      this.at.end = this.end;
    }
    return this.at;
  }

  private async go(): Promise<void> {
    this.times = timesOf(this.stage);
    await this.stage.release(this.index);
    this.pass();
    if (this.broken) throw this.broken;
  }

  /** Whoever moves the clocks does so at once. */
  private pass(): void {
    const { times: before } = this;
    const now = timesOf(this.stage);
    const by = { store: now.store - before.store, wall: now.wall - before.wall, mono: now.mono - before.mono };
    if (!by.store && !by.wall && !by.mono) return;
    this.times = now;
    this.ask({ method: 'pass', by, text: `pass ${JSON.stringify(by)}` });
  }

  private ask(asked: Asked): unknown {
    this.pass();
    try {
      const edge = this.remembered.shift() ?? this.fresh(asked);
      edge.from.is('asks', asked.text, asked);
      this.at = edge.to;
      return edge.result;
    } catch (error) {
      this.broken ??= error as Error;
      throw error;
    }
  }

  private fresh(asked: Asked): Edge {
    if (!this.world) throw new Error(`${this.name} asks ${asked.text} between its steps`);
    const { known, result } = this.world.apply(asked);
    const before = this.at.edges.get(known);
    if (before) return before;
    const edge = this.at.add(known, result);
    this.onNew(edge, this.world);
    return edge;
  }

  private backing(): Pick<StorageDriver, 'stat' | 'read' | 'write' | 'delete' | 'list'> {
    const ask = (asked: Asked) => this.ask(asked) as never;
    return {
      stat: async (key) => ask({ method: 'stat', key, text: `stat ${key}` }),
      read: async (key) => ask({ method: 'read', key, text: `read ${key}` }),
      delete: async (keys) => ask({ method: 'delete', keys, text: `delete ${keys.join(' ')}` }),
      list: async (prefix, { after = '', limit = 1000 }: ListOptions = {}) =>
        ask({ method: 'list', prefix, after, limit, text: `list ${prefix} ${after} ${limit}` }),
      write: async (key: string, body: WriteBody, options?: WriteOptions) => {
        const bytes = body instanceof Uint8Array ? body.slice() : await gathered(body);
        const digest = digestOf(bytes);
        const ifAbsent = options?.ifAbsent === true;
        return ask({ method: 'write', key, bytes, digest, ifAbsent, text: `${ifAbsent ? 'create' : 'write'} ${key} ${digest}` });
      },
    };
  }
}

const timesOf = ({ store, clock }: Stage): Times => ({ store: store.time, wall: clock.wall, mono: clock.mono });

async function gathered(body: Exclude<WriteBody, Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}
