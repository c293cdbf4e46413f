import { RegistryError } from '../errors/registry-error.js';
import type { Runtime } from '../lib/clock.js';
import { deadline } from '../lib/deadlines.js';
import type { Ask } from './ask.js';
import { type Asked, askedOf } from './asked-of.js';
import { applies } from './name-policy.js';
import type { IProtocolUpstreams, IUpstream, IUpstreamCache, IUpstreamProvider, IUpstreamQuestion } from './provider.js';

/** An upstream that is to be asked for a name. */
export interface ChosenUpstream {
  readonly id: string;
  readonly ask: Ask;
  readonly cache: IUpstreamCache;
}

export interface UpstreamsParts {
  readonly provider: IUpstreamProvider;
  readonly protocol: string;
  /** The repository's name. */
  readonly repository: string;
  readonly runtime: Runtime;
  /** What the provider has answered, read once. Throws for an answer that is none. */
  check(answer: unknown): IProtocolUpstreams;
  onFault(error: unknown, where: string): void;
}

interface OpenUpstream {
  /** All that its asking depends on. */
  readonly stamp: string;
  readonly asked: Asked;
}

const PROVIDER_MS = 10_000;
/** Upstreams whose connections and failures are remembered. */
const OPEN_MAX = 256;

const unanswered = (): RegistryError =>
  new RegistryError('unavailable', 'it cannot be said which upstream registries apply', { headers: { 'Retry-After': '1' } });

/** The upstreams of one repository, in the order in which they are asked. */
export class Upstreams {
  private readonly parts: UpstreamsParts;
  private readonly open = new Map<string, OpenUpstream>();
  private readonly retired = new Set<Asked>();

  constructor(parts: UpstreamsParts) {
    this.parts = parts;
  }

  /** Those that may be told this name. Throws `unavailable` when the provider does not say: no name is looked for anywhere else then. */
  async chosen(packageName: string, userId: string | undefined): Promise<readonly ChosenUpstream[]> {
    const { protocol, repository } = this.parts;
    const answer = await this.ask({ protocol, repository, packageName, userId });
    return this.inOrder(answer, ({ scopeRules }) => applies(scopeRules, packageName));
  }

  /** Those that there are, whatever names they are for. */
  async all(): Promise<readonly ChosenUpstream[]> {
    const { protocol, repository } = this.parts;
    return this.inOrder(await this.ask({ protocol, repository, packageName: '', userId: undefined }), () => true);
  }

  private inOrder(answer: IProtocolUpstreams | null, wanted: (upstream: IUpstream) => boolean): readonly ChosenUpstream[] {
    if (!answer?.enabled) return [];
    const { upstreams, cache = {}, resilience = {} } = answer;
    return upstreams
      .filter((upstream) => upstream.enabled !== false && wanted(upstream))
      .map((upstream, place) => ({ upstream, rank: upstream.priority ?? place, place }))
      .sort((a, b) => a.rank - b.rank || a.place - b.place)
      .map(({ upstream }) => ({ id: upstream.id, ask: this.askOf(upstream, resilience), cache }));
  }

  close(): void {
    for (const { asked } of this.open.values()) asked.close();
    for (const asked of this.retired) asked.close();
    this.open.clear();
  }

  /** What is under way there comes to its end, unless the registry does before. */
  private retire(id: string, { asked }: OpenUpstream): void {
    this.open.delete(id);
    this.retired.add(asked);
    void asked.retire().then(() => this.retired.delete(asked));
  }

  private async ask(question: IUpstreamQuestion): Promise<IProtocolUpstreams | null> {
    const { provider, onFault, check } = this.parts;
    try {
      const answer = await this.inTime(async () => provider.upstreamsFor(question));
      return answer === null ? null : check(answer);
    } catch (error) {
      onFault(error, 'upstream provider');
      throw unanswered();
    }
  }

  private inTime<T>(call: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = deadline(this.parts.runtime.clock, PROVIDER_MS, () => reject(new Error(`no answer within ${PROVIDER_MS} ms`)));
      call()
        .then(resolve, reject)
        .finally(() => late.cancel());
    });
  }

  /** Connections and failures are remembered for as long as an upstream is described the same way. */
  private askOf(upstream: IUpstream, resilience: NonNullable<IProtocolUpstreams['resilience']>): Ask {
    const stamp = JSON.stringify([upstream.url, upstream.auth, upstream.alsoAt, resilience]);
    const known = this.open.get(upstream.id);
    if (known?.stamp === stamp) return known.asked.ask;
    if (known) this.retire(upstream.id, known);
    const [oldest] = this.open.size < OPEN_MAX ? [] : this.open;
    if (oldest) this.retire(...oldest);
    const asked = askedOf(upstream, resilience, { runtime: this.parts.runtime });
    this.open.set(upstream.id, { stamp, asked });
    return asked.ask;
  }
}
