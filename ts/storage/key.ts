/**
 * Every stored path is made here.
 *
 *     cache/<repo>/<upstream>/<package>/<hash>.json   what a copy of an upstream is, and where it lies; evictable
 *     cache/<repo>/<upstream>/<package>/<time>-<nonce>    its bytes; evictable
 *     derived/checkpoint/<space>/<package>.base|.delta    folded states; may vanish
 *     derived/feed/<space>.base|.delta                name sets; may vanish
 *     derived/probe/<id>.json                         what a store was found to be able to do
 *     derived/probe/run-<nonce>/…                     a probe's own objects, gone when it ends
 *     entrepot.json                                   {"format": 1}
 *     feed/<space>/<10 digits>.jsonl                  order of changes in a space
 *     keys/<purpose>/<10 digits>.json                 signing keys, wrapped
 *     log/<space>/<package>/<10 digits>.jsonl         truth; a slot is never freed
 *     objects/<repo>/<package>/<time>-<nonce>         immutable bytes
 *     pending/<space>/<time>-<id>-<package>           markers
 *     upload/<repo>/<id>/…                            sessions
 *
 * `<space>` is a repository's id, `~users` or `~repositories`. `<package>` is `slug-hash` of the identity string (users and `~repositories`: see below).
 */
import { createHash } from 'node:crypto';
import { base32 } from '../lib/bytes.js';
import { timeText } from '../lib/ids.js';
import { Recall } from '../lib/recall.js';

export const FORMAT_KEY = 'entrepot.json';

const slot = (n: number): string => String(n).padStart(10, '0');

/** 160 bits of SHA-256 in base 32: what stands for a name in keys. */
export const nameHash = (identity: string): string => base32(createHash('sha256').update(identity).digest().subarray(0, 20));

const keys = new Recall<string>();

/** `slug-hash`: names never collide, whatever their case, length or characters. */
export const packageKey = (identity: string): string => keys.get(identity) ?? keys.keep(identity, newPackageKey(identity));

function newPackageKey(identity: string): string {
  const slug = identity
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '-')
    .slice(0, 60)
    .replace(/^-+|-+$/g, '');
  return `${slug || 'x'}-${nameHash(identity)}`;
}

export const logPrefix = (space: string, pkg: string): string => `log/${space}/${pkg}/`;
export const logSlot = (space: string, pkg: string, n: number): string => `log/${space}/${pkg}/${slot(n)}.jsonl`;
export const feedPrefix = (space: string): string => `feed/${space}/`;
export const feedSlot = (space: string, n: number): string => `feed/${space}/${slot(n)}.jsonl`;
export const checkpointKey = (space: string, pkg: string, part: 'base' | 'delta'): string =>
  `derived/checkpoint/${space}/${pkg}.${part}`;
export const feedCheckpointKey = (space: string, part: 'base' | 'delta'): string => `derived/feed/${space}.${part}`;
export const probeResultKey = (id: string): string => `derived/probe/${id}.json`;
export const probeScratchPrefix = (nonce: string): string => `derived/probe/run-${nonce}/`;
export const signingKeySlot = (purpose: string, n: number): string => `keys/${purpose}/${slot(n)}.json`;

export const pendingFolder = (space: string): string => `pending/${space}`;
/** `<time>-<id>-<package>`; `markerId` is its first two parts, which is what entries name. */
export const markerKey = (space: string, markerId: string, pkg: string): string => `pending/${space}/${markerId}-${pkg}`;
export const markerId = (time: number, id: string): string => `${timeText(time)}-${id}`;

export interface MarkerName {
  /** `<time>-<id>`. */
  readonly marker: string;
  readonly time: number;
  readonly pkg: string;
}

/** Reads the last segment of a marker's key; undefined when it is none of ours. */
export function parseMarkerName(name: string): MarkerName | undefined {
  const match = /^((\d{13})-[a-z2-7]{26})-([a-z0-9-]+)$/.exec(name);
  return match ? { marker: match[1] as string, time: Number(match[2]), pkg: match[3] as string } : undefined;
}

/** The time at the front of a marker id or of an object key's last segment. */
export function timeOf(keyOrId: string): number {
  return Number(keyOrId.slice(keyOrId.lastIndexOf('/') + 1).slice(0, 13));
}

export const objectPrefix = (repository: string, pkg: string): string => `objects/${repository}/${pkg}/`;
export const objectKey = (repository: string, pkg: string, time: number, nonce: string): string =>
  `objects/${repository}/${pkg}/${timeText(time)}-${nonce}`;
export const copiesPrefix = (repository: string): string => `cache/${repository}/`;
/** `what`: any text that tells the documents and files of a package apart. */
export const copyHead = (repository: string, upstream: string, pkg: string, what: string): string =>
  `${copiesPrefix(repository)}${upstream}/${pkg}/${nameHash(what)}.json`;
/** `place`: `<upstream>/<package>`. */
export const copyBody = (repository: string, place: string, time: number, nonce: string): string =>
  `${copiesPrefix(repository)}${place}/${timeText(time)}-${nonce}`;
export const uploadSlot = (repository: string, id: string, n: number): string => `upload/${repository}/${id}/${slot(n)}.jsonl`;
export const uploadsPrefix = (repository: string): string => `upload/${repository}/`;
export const uploadPrefix = (repository: string, id: string): string => `upload/${repository}/${id}/`;
