/** How an upstream wants to be asked. */
export type IUpstreamAuth =
  | { readonly type: 'none' }
  | { readonly type: 'bearer'; readonly token: string }
  | { readonly type: 'basic'; readonly username: string; readonly password: string };

/**
 * Which names an upstream is asked for. `*` is any run of characters. The last rule that matches decides; where none does, a name is asked for unless
 * there is an `include` rule.
 */
export interface IUpstreamScopeRule {
  readonly pattern: string;
  readonly action: 'include' | 'exclude';
}

/** One registry whose packages are served here as well. */
export interface IUpstream {
  /** `[a-z0-9-]{1,40}`; part of stored keys. */
  readonly id: string;
  /** Base URL, `https` (or `http`), as its own clients would be given it. */
  readonly url: string;
  /** Lower ones are asked first. Default: as they stand. */
  readonly priority?: number;
  /** Default true. */
  readonly enabled?: boolean;
  readonly scopeRules?: readonly IUpstreamScopeRule[];
  /** Sent to the origin of `url` and nowhere else. Default: none. */
  readonly auth?: IUpstreamAuth;
  /** Other origins (`https://files.example`) that its documents may point to, although their address is private or their port unusual. */
  readonly alsoAt?: readonly string[];
}

/** How long copies are believed. */
export interface IUpstreamCache {
  /** False: documents are asked for each time; files are kept all the same, they never change. Default true. */
  readonly enabled?: boolean;
  /** A document is served without asking for so long. Default 300. */
  readonly ttlSeconds?: number;
  /** For as long again the old one is served while it is asked for. Default true. */
  readonly staleWhileRevalidate?: boolean;
  /** How old a document may be that is served because the upstream fails. Default 604,800 (a week). */
  readonly staleIfErrorSeconds?: number;
  /** How long "there is no such package" is believed, at most 60. Default 30. */
  readonly negativeTtlSeconds?: number;
}

/** When to stop waiting and asking. */
export interface IUpstreamResilience {
  /** Until an answer begins, and for each pause within it. Default 15,000. */
  readonly timeoutMs?: number;
  /** Default 2. */
  readonly retries?: number;
  /** Failures in a row after which an upstream is left alone. Default 5. */
  readonly breakerFailures?: number;
  /** For so long. Default 30,000. */
  readonly breakerPauseMs?: number;
}

export interface IProtocolUpstreams {
  readonly enabled: boolean;
  readonly upstreams: readonly IUpstream[];
  readonly cache?: IUpstreamCache;
  readonly resilience?: IUpstreamResilience;
}

/** Who wants what. */
export interface IUpstreamQuestion {
  readonly protocol: string;
  readonly repository: string;
  /** Identity string of the package. Empty: what is wanted is about no package. */
  readonly packageName: string;
  /** Undefined: an anonymous caller, or work of the registry's own. */
  readonly userId: string | undefined;
}

/** Says which upstreams apply. What it throws, or answers after 10 s, means none, and the request fails. */
export interface IUpstreamProvider {
  /** Null: none. Upstreams of one id must be the same one each time. */
  upstreamsFor(question: IUpstreamQuestion): IProtocolUpstreams | null | Promise<IProtocolUpstreams | null>;
}

/** The same upstreams for everybody. */
export class StaticUpstreamProvider implements IUpstreamProvider {
  /** As given, by protocol; `new SmartRegistry` checks it. */
  readonly config: Readonly<Record<string, IProtocolUpstreams>>;

  constructor(config: Readonly<Record<string, IProtocolUpstreams>>) {
    this.config = config;
  }

  upstreamsFor({ protocol }: IUpstreamQuestion): IProtocolUpstreams | null {
    return Object.hasOwn(this.config, protocol) ? (this.config[protocol] ?? null) : null;
  }
}
