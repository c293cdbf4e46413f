import { parseMediaType, splitOutsideQuotes } from '../lib/media-type.js';

const MAX_ITEMS = 100;

function quality(text: string | undefined): number {
  if (text === undefined) return 1;
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 0;
}

interface Accepted {
  readonly range: string;
  readonly q: number;
}

function acceptedTypes(header: string): Accepted[] {
  const accepted: Accepted[] = [];
  for (const item of splitOutsideQuotes(header, ',').slice(0, MAX_ITEMS)) {
    const type = parseMediaType(item.trim());
    if (type) accepted.push({ range: type.essence, q: quality(type.parameters.get('q')) });
  }
  return accepted;
}

/** How much a media type is wanted: the most specific range that covers it decides (RFC 9110 §12.5.1). */
function wanted(accepted: readonly Accepted[], mediaType: string): number {
  const essence = parseMediaType(mediaType)?.essence ?? mediaType;
  for (const range of [essence, `${essence.slice(0, essence.indexOf('/'))}/*`, '*/*']) {
    const matching = accepted.filter((item) => item.range === range);
    if (matching.length > 0) return Math.max(...matching.map(({ q }) => q));
  }
  return 0;
}

/**
 * The offered media type that an Accept header wants most; among equals the first offered. Without a header (or with an empty one) the first.
 * Undefined: none is acceptable.
 */
export function negotiate(header: string | undefined, offered: readonly string[]): string | undefined {
  if (header === undefined || header.trim() === '') return offered[0];
  const accepted = acceptedTypes(header);
  let best: string | undefined;
  let most = 0;
  for (const mediaType of offered) {
    const q = wanted(accepted, mediaType);
    if (q > most) {
      best = mediaType;
      most = q;
    }
  }
  return best;
}

/** The content coding to answer with: brotli before gzip where both are wanted equally; undefined is identity (RFC 9110 §12.5.3). */
export function acceptedCoding(header: string | undefined): 'br' | 'gzip' | undefined {
  if (header === undefined || !/br|gzip|\*/i.test(header)) return undefined;
  const q = new Map<string, number>();
  for (const item of header.split(',').slice(0, MAX_ITEMS)) {
    const [name = '', ...parameters] = item.split(';');
    const weight = parameters.map((text) => /^\s*q\s*=\s*(\S+)\s*$/i.exec(text)?.[1]).find((text) => text !== undefined);
    q.set(name.trim().toLowerCase(), quality(weight));
  }
  const any = q.get('*') ?? 0;
  const br = q.get('br') ?? any;
  const gzip = q.get('gzip') ?? q.get('x-gzip') ?? any;
  const identity = q.get('identity') ?? 0;
  const best = Math.max(br, gzip);
  if (best === 0 || best < identity) return undefined;
  return br >= gzip ? 'br' : 'gzip';
}
