import type { IncomingMessage } from 'node:http';
import type { Clock } from '../lib/clock.js';
import { type UpstreamContent, UpstreamFailure, type UpstreamRequest } from './ask.js';

/** What the head of an answer means. */
export type Head =
  | { readonly kind: 'absent' }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'redirect'; readonly location: string | undefined }
  | {
      readonly kind: 'content';
      readonly content: Omit<UpstreamContent, 'body'>;
      /** Comes as gzip. */
      readonly coded: boolean;
      /** Content-Length. */
      readonly announced: number | undefined;
    };

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const RETRY_AFTER_MAX = 60_000;

/**
 * Reads status and headers. Throws an `UpstreamFailure` for all that is neither content nor a clear no: what is passed on to others must be short and
 * printable, what cannot be read as asked for must not be read at all.
 */
export function readHead(response: IncomingMessage, request: UpstreamRequest, clock: Clock): Head {
  const { statusCode: status = 0, headers } = response;
  if (status === 200) return content(response, request);
  if (status === 404 || status === 410) return { kind: 'absent' };
  if (status === 304 && hasValidator(request)) return { kind: 'unchanged' };
  if (REDIRECTS.has(status)) return { kind: 'redirect', location: headers.location };
  if (status === 401 || status === 403) throw failed('the upstream does not let the registry in');
  const passing = status === 429 || (status >= 500 && status < 600);
  const retryAfter = passing ? pauseIn(headers['retry-after'], clock) : undefined;
  throw new UpstreamFailure('upstream_failed', `the upstream answered ${status}`, { passing, retryAfter });
}

const hasValidator = ({ etag, lastModified }: UpstreamRequest): boolean => etag !== undefined || lastModified !== undefined;

const failed = (message: string): UpstreamFailure => new UpstreamFailure('upstream_failed', message);

function content(response: IncomingMessage, { as, max }: UpstreamRequest): Head {
  const { headers } = response;
  const coded = isCoded(headers['content-encoding'], as);
  const transfer = headers['transfer-encoding'];
  if (transfer !== undefined && transfer.toLowerCase() !== 'chunked')
    throw failed('the upstream sends in a coding that was not asked for');
  const size = sizeIn(headers['content-length']);
  if (size !== undefined && size > max) throw failed(`the upstream sends more than ${max} bytes`);
  return {
    kind: 'content',
    coded,
    announced: size,
    content: {
      kind: 'content',
      mediaType: printable(headers['content-type'], 256) ?? '',
      size: coded ? undefined : size,
      etag: printable(headers.etag, 256),
      lastModified: printable(headers['last-modified'], 64),
    },
  };
}

function isCoded(coding: string | undefined, as: UpstreamRequest['as']): boolean {
  const given = coding?.trim().toLowerCase() ?? '';
  if (given === '' || given === 'identity') return false;
  if (as === 'document' && (given === 'gzip' || given === 'x-gzip')) return true;
  throw failed('the upstream sends in a coding that was not asked for');
}

function sizeIn(length: string | undefined): number | undefined {
  if (length === undefined) return undefined;
  const size = /^\d{1,16}$/.test(length) ? Number(length) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw failed('the upstream sends a length that is none');
  return size;
}

const printable = (value: string | undefined, longest: number): string | undefined =>
  value !== undefined && value !== '' && value.length <= longest && /^[\x20-\x7e]+$/.test(value) ? value : undefined;

/** Milliseconds of a Retry-After (RFC 9110 §10.2.3): seconds, or a date. */
function pauseIn(value: string | undefined, clock: Clock): number | undefined {
  if (value === undefined || value.length > 64) return undefined;
  const pause = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - clock.now();
  return Number.isNaN(pause) ? undefined : Math.min(Math.max(pause, 0), RETRY_AFTER_MAX);
}
