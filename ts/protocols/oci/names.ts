import { RegistryError } from '../../errors/registry-error.js';
import type { Param } from '../../http/route.js';
import type { DigestAlgorithm } from '../../lib/digest.js';

/** `algorithm:encoded`, of an algorithm that we compute. */
export interface Digest {
  /** As clients write it. */
  readonly text: string;
  readonly algorithm: 'sha256' | 'sha512';
  /** Lower-case hex. */
  readonly hex: string;
}

/** What a manifest is asked for by. */
export type Reference =
  | { readonly tag: string; readonly digest?: undefined }
  | { readonly tag?: undefined; readonly digest: Digest };

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
/** Below a mount, `v2/…` is the other form of the same paths. */
const RESERVED = /^v2(?:\/|$)/;
const MAX_NAME = 255;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const SHA256 = /^sha256:([0-9a-f]{64})$/;
const SHA512 = /^sha512:([0-9a-f]{128})$/;

export const isName = (text: string): boolean => text.length <= MAX_NAME && NAME.test(text) && !RESERVED.test(text);
export const isTag = (text: string): boolean => TAG.test(text);

/** An image repository's name, which is also its identity: case and every character count. Throws NAME_INVALID (distribution-spec, pulling manifests). */
export function parseName(text: string): string {
  if (isName(text)) return text;
  const why = RESERVED.test(text) ? ': it may not begin with v2' : '';
  throw new RegistryError('invalid', `invalid repository name${why}`, { code: 'NAME_INVALID' });
}

/** Undefined: malformed, or of an algorithm that is not computed here. */
export function digestOf(text: string): Digest | undefined {
  const short = SHA256.exec(text)?.[1];
  if (short !== undefined) return { text, algorithm: 'sha256', hex: short };
  const long = SHA512.exec(text)?.[1];
  return long === undefined ? undefined : { text, algorithm: 'sha512', hex: long };
}

/** Throws DIGEST_INVALID. */
export function parseDigest(text: string): Digest {
  const digest = digestOf(text);
  if (!digest)
    throw new RegistryError('invalid', 'invalid digest', { code: 'DIGEST_INVALID', detail: { digest: text.slice(0, 200) } });
  return digest;
}

/** Throws TAG_INVALID. */
export function parseTag(text: string): string {
  if (!isTag(text)) throw new RegistryError('invalid', 'invalid tag', { code: 'TAG_INVALID' });
  return text;
}

/** What contains `:` is a digest, everything else a tag. Throws DIGEST_INVALID and TAG_INVALID. */
export const parseReference = (text: string): Reference =>
  text.includes(':') ? { digest: parseDigest(text) } : { tag: parseTag(text) };

/** The name of an algorithm as `digest-algorithm` gives it. Throws UNSUPPORTED. */
export function parseAlgorithm(text: string | undefined): DigestAlgorithm {
  if (text === undefined || text === 'sha256') return 'sha256';
  if (text === 'sha512') return 'sha512';
  throw new RegistryError('invalid', 'this digest algorithm is not supported', { code: 'UNSUPPORTED' });
}

/** Greedy: a component may be called `blobs` or `manifests`, and the last marker in a path is the one that counts. */
export const nameParam: Param<string> = { pattern: '.+', parse: parseName };
/** Below a mount of its own: paths that begin with `/v2/` are for the routes that do. */
export const bareNameParam: Param<string> = { pattern: '(?!v2/).+', parse: parseName };
export const digestParam: Param<Digest> = { pattern: '[^/]+', parse: parseDigest };
export const referenceParam: Param<Reference> = { pattern: '[^/]+', parse: parseReference };

/** Of requests that ask for what is there: nothing is, under what no tag may be called. */
export const knownReferenceParam: Param<Reference> = {
  pattern: '[^/]+',
  parse(raw) {
    if (!raw.includes(':') && !isTag(raw))
      throw new RegistryError('not_found', 'manifest unknown', {
        code: 'MANIFEST_UNKNOWN',
        detail: { reference: raw.slice(0, 200) },
      });
    return parseReference(raw);
  },
};

/** An upload session's id; what is none of ours is as unknown as one that has expired. */
export const uploadParam: Param<string> = {
  pattern: '[^/]+',
  parse(raw) {
    if (!/^[a-z2-7]{26}$/.test(raw)) throw uploadUnknown();
    return raw;
  },
};

export const uploadUnknown = (): RegistryError =>
  new RegistryError('not_found', 'blob upload unknown to registry', { code: 'BLOB_UPLOAD_UNKNOWN' });

/** The repository from which a blob is to be mounted, by its own name; what is no name, or not one of ours, is no repository. */
export const mountSource = (query: { get(name: string): string | undefined }, prefix: string): string | undefined => {
  const from = query.get('from');
  if (query.get('mount') === undefined || !from?.startsWith(prefix)) return undefined;
  const name = from.slice(prefix.length);
  return isName(name) ? name : undefined;
};
