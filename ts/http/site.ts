import type { Gate } from '../auth/principal.js';
import type { Runtime } from '../lib/clock.js';
import type { PackageSource, Ruled } from '../packages/package-handle.js';
import type { ClientPresence, IRequestActor, IRequestContext } from './context.js';
import type { ProtocolInstance } from './plugin.js';
import type { RawQuery } from './query.js';
import type { HeaderBag } from './route.js';

export interface SiteLimits {
  /** Milliseconds in which nothing may move (no byte of the body, no answer) before the request is given up. */
  readonly requestTimeoutMs: number;
  /** Milliseconds that we wait for the next byte of a body. */
  readonly bodyProgressMs: number;
  /** Milliseconds that a whole body may take. Default: as long as it makes progress. */
  readonly bodyTotalMs?: number;
}

export const DEFAULT_LIMITS: SiteLimits = { requestTimeoutMs: 60_000, bodyProgressMs: 30_000 };

export interface FaultPlace {
  readonly repository: string;
  readonly protocol: string;
  readonly route: string | undefined;
  /** What the client was told to quote; undefined where it was told what is wrong. */
  readonly incident: string | undefined;
}

/** One repository with everything that its requests need. */
export interface Site {
  readonly instance: ProtocolInstance;
  readonly source: PackageSource<Ruled>;
  readonly gate: Gate;
  readonly runtime: Runtime;
  readonly limits: SiteLimits;
  /** Hears of everything that is not the client's doing. */
  onFault(error: unknown, where: FaultPlace): void;
}

/** Another repository that answers at the same place as the one that was asked (`ProtocolInstance.commonMount`). */
export interface Neighbour {
  /** What names of its packages begin with here, with a slash at the end. */
  readonly prefix: string;
  readonly source: PackageSource<Ruled>;
}

/** A request as the registry hands it to one of its repositories. */
export interface RegistryRequest {
  readonly method: string;
  /** Undecoded path below the mount, with its leading slash (`locate`). */
  readonly path: string;
  readonly rawQuery: RawQuery;
  readonly headers: IRequestContext['headers'];
  /** The same, where somebody has looked at them already. */
  readonly bag?: HeaderBag;
  readonly body: unknown;
  /** Public base URL of the repository, without a slash at its end (`baseUrlOf`). */
  readonly baseUrl: string;
  /** What the client calls this repository's packages by begins so here, with a slash at the end; absent: by their own names. */
  readonly prefix?: string;
  /** Who else answers here, this repository itself by its mount included. Absent: nobody. */
  readonly neighbours?: readonly Neighbour[];
  /** The client's address, walked back through trusted proxies (`outsideOf`). */
  readonly address: string | undefined;
  readonly actor: IRequestActor | undefined;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal | undefined;
  /** The same, where an adapter knows it more cheaply. */
  readonly client?: ClientPresence | undefined;
}
