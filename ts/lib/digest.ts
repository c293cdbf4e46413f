import crypto, { createHash, type Hash } from 'node:crypto';
import { piecewise, type Sliced } from './slices.js';

/** The digests that a package protocol may ask for while bytes pass. */
export type DigestAlgorithm = 'sha256' | 'sha512' | 'sha1' | 'md5';

/** Lower-case hex by algorithm; sha256 is always there. */
export type Digests = { readonly sha256: string } & { readonly [A in DigestAlgorithm]?: string };

type OneShot = (algorithm: string, data: Uint8Array | string, encoding: 'hex') => string;
/** Node 20.12 and later; an object for each digest costs more than the digest of a short text. */
const oneShot = (crypto as unknown as { readonly hash?: OneShot }).hash;

export const sha256Hex = (data: Uint8Array | string): string =>
  oneShot ? oneShot('sha256', data, 'hex') : createHash('sha256').update(data).digest('hex');

/** The same in slices. */
export function* sha256InSlices(data: Uint8Array): Sliced<string> {
  const hash = createHash('sha256');
  yield* piecewise(data, (piece) => hash.update(piece));
  return hash.digest('hex');
}

/** Several digests over one pass. */
export class Hasher {
  private readonly hashes: ReadonlyMap<DigestAlgorithm, Hash>;

  constructor(algorithms: Iterable<DigestAlgorithm> = [], hashes?: ReadonlyMap<DigestAlgorithm, Hash>) {
    this.hashes =
      hashes ?? new Map([...new Set<DigestAlgorithm>(['sha256', ...algorithms])].map((name) => [name, createHash(name)]));
  }

  /** Another one that goes on from here. */
  copy(): Hasher {
    return new Hasher([], new Map([...this.hashes].map(([name, hash]) => [name, hash.copy()])));
  }

  update(chunk: Uint8Array): void {
    for (const hash of this.hashes.values()) hash.update(chunk);
  }

  /** The digests of all bytes so far; more may follow. */
  digests(): Digests {
    return Object.fromEntries([...this.hashes].map(([name, hash]) => [name, hash.copy().digest('hex')])) as Digests;
  }
}
