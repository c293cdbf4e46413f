import { text, utf8 } from '../lib/bytes.js';
import type { DigestAlgorithm, Digests } from '../lib/digest.js';
import type { Json } from '../lib/json.js';
import { type LogSchema, type NewChange, UnknownChange } from '../log/schema.js';

/** One stretch of an upload, durable. */
export interface UploadChunk {
  /** Object key. */
  readonly key: string;
  readonly offset: number;
  readonly length: number;
}

/** An upload session as its log tells it (design §4.2). */
export interface UploadState {
  /** The package that it is for, and whose it is: nobody else's, anywhere else, is it. */
  readonly image: string;
  readonly by: string;
  /** Computed over all bytes, beside sha256. */
  readonly algorithms: readonly DigestAlgorithm[];
  /** Milliseconds; 0: it was never opened. */
  readonly openedAt: number;
  readonly chunks: readonly UploadChunk[];
  /** Bytes so far. */
  readonly offset: number;
  /** Of all bytes so far; undefined: none came. */
  readonly digests: Digests | undefined;
  /** The bytes are proved and about to be named: nothing more comes, and nobody cancels. */
  readonly sealed: boolean;
  readonly closed: boolean;
}

export const openChange = (by: string, image: string, algorithms: readonly DigestAlgorithm[]): NewChange => ({
  type: 'open',
  by,
  image,
  algorithms,
});

export const chunkChange = (by: string, { key, offset, length }: UploadChunk, digests: Digests): NewChange => ({
  type: 'chunk',
  by,
  key,
  offset,
  length,
  digests: digests as Json,
});

export const sealChange = (by: string): NewChange => ({ type: 'seal', by });
export const closeChange = (by: string): NewChange => ({ type: 'close', by });

const EMPTY: UploadState = {
  image: '',
  by: '',
  algorithms: [],
  openedAt: 0,
  chunks: [],
  offset: 0,
  digests: undefined,
  sealed: false,
  closed: false,
};

export const uploadSchema: LogSchema<UploadState> = {
  revision: 'upload.2',
  initial: () => EMPTY,
  apply(state, change) {
    switch (change.type) {
      case 'open':
        return {
          ...state,
          image: String(change['image']),
          by: change.by,
          algorithms: (change['algorithms'] ?? []) as unknown as readonly DigestAlgorithm[],
          openedAt: change.at,
        };
      case 'chunk': {
        const chunk = { key: String(change['key']), offset: Number(change['offset']), length: Number(change['length']) };
        const digests = change['digests'] as unknown as Digests;
        return { ...state, chunks: [...state.chunks, chunk], offset: chunk.offset + chunk.length, digests };
      }
      case 'seal':
        return { ...state, sealed: true };
      case 'close':
        return { ...state, closed: true };
      default:
        throw new UnknownChange(`change "${change.type}" is not known here`);
    }
  },
  encode: (state) => utf8(JSON.stringify(state)),
  decode: (bytes) => ({ ...EMPTY, ...(JSON.parse(text(bytes)) as Partial<UploadState>) }),
  weigh: ({ chunks }) => 1_024 + 300 * chunks.length,
  summarise: () => undefined,
};
