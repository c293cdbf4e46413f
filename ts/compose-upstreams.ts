import { ConfigError } from './errors/config-error.js';
import { ByteLru } from './lib/byte-lru.js';
import type { Runtime } from './lib/clock.js';
import type { LogSpace } from './log/schema.js';
import type { Ruled } from './packages/package-handle.js';
import type { Elsewhere } from './packages/repository.js';
import type { AnyPackage, UpstreamFormat } from './packages/upstream-format.js';
import { UpstreamSource } from './packages/upstream-handle.js';
import { UpstreamPackages } from './packages/upstream-packages.js';
import type { StorageDriver } from './storage/driver.js';
import { DriverObjectStore } from './storage/driver-object-store.js';
import { copyBody } from './storage/key.js';
import type { UpstreamFailure } from './upstream/ask.js';
import { Complaints } from './upstream/complaints.js';
import { Copies } from './upstream/copies.js';
import { UpstreamDocuments } from './upstream/documents.js';
import type { IProtocolUpstreams, IUpstreamProvider } from './upstream/provider.js';
import { Upstreams } from './upstream/upstreams.js';
import { Checks } from './validate-checks.js';
import { validateUpstreams } from './validate-upstreams.js';

export interface UpstreamParts {
  readonly provider: IUpstreamProvider;
  readonly format: UpstreamFormat<Ruled>;
  readonly protocol: string;
  /** The repository's name, which is also its id. */
  readonly repository: string;
  readonly driver: StorageDriver;
  readonly space: LogSpace<Ruled>;
  readonly runtime: Runtime;
  /** Bytes of states in memory. */
  readonly cacheBytes: number;
  isOurs(name: string): Promise<boolean>;
  onFault(error: unknown, where: string): void;
}

/** Of documents that are about no package. */
const SMALL_BYTES = 1024 * 1024;

/** Of answers that were checked: most have one, some have one for each user. */
const CHECKED_BYTES = 1024 * 1024;

/**
 * A provider of a host's own may answer anything, change it afterwards, or say something else each time it is looked at: it is read once, and what was
 * checked is what counts.
 */
function checker(protocol: string): (answer: unknown) => IProtocolUpstreams {
  const known = new ByteLru<string, IProtocolUpstreams>(CHECKED_BYTES);
  return (answer) => {
    const text = JSON.stringify(answer) ?? 'null';
    const before = known.get(text);
    if (before) return before;
    const read: unknown = JSON.parse(text);
    const checks = new Checks();
    validateUpstreams(checks, 'upstreamsFor', { [protocol]: read });
    if (checks.problems.length > 0) throw new ConfigError(checks.problems);
    known.set(text, read as IProtocolUpstreams, 2 * text.length);
    return read as IProtocolUpstreams;
  };
}

/** The packages of upstreams, for one repository. */
export function composeUpstreams(parts: UpstreamParts): Elsewhere<Ruled> {
  const { provider, protocol, repository, driver, runtime, cacheBytes, isOurs, onFault } = parts;
  const where = `${repository} upstream`;
  const check = checker(protocol);
  const upstreams = new Upstreams({ provider, protocol, repository, runtime, check, onFault });
  const copies = new Copies({ repository, driver, runtime, objects: new DriverObjectStore(driver, runtime, copyBody) });
  const tell = (error: unknown): void => onFault(error, where);
  const complaints = new Complaints(runtime.clock, tell);
  const onFailure = (upstream: string, failure: UpstreamFailure): void => complaints.tell(upstream, failure);
  const common = { copies, runtime, onFault: tell, onFailure };
  const documents = new UpstreamDocuments<AnyPackage>({ ...common, cacheBytes });
  const small = new UpstreamDocuments<Uint8Array>({ ...common, cacheBytes: SMALL_BYTES });
  const packages = new UpstreamPackages({
    upstreams,
    // the states of this repository's own protocol, and no others
    format: parts.format as UpstreamFormat<AnyPackage>,
    space: parts.space as unknown as LogSpace<AnyPackage>,
    documents,
    copies,
    isOurs,
    clock: runtime.clock,
    onFailure,
    onFault: ({ error, where: what }) => onFault(error, `${repository} ${what}`),
  });
  return new UpstreamSource({ packages, documents, small, upstreams, complaints }) as unknown as Elsewhere<Ruled>;
}
