import type { HeaderBag } from './route.js';

/** What a client's copy is compared with. Etags are without quotes; the first is that of the bytes as they are, others those of ready-made codings. */
export interface Validators {
  readonly etags: readonly string[];
  readonly lastModified: Date | undefined;
}

export type Verdict =
  | { readonly type: 'proceed' }
  | { readonly type: 'fresh'; readonly etag: string | undefined }
  | { readonly type: 'failed' };

const PROCEED: Verdict = { type: 'proceed' };
const MONTHS = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec';
const HTTP_DATE = new RegExp(`^[A-Z][a-z]{2}, \\d{2} (?:${MONTHS}) \\d{4} \\d{2}:\\d{2}:\\d{2} GMT$`);

/** Seconds since the epoch; undefined for anything but an IMF-fixdate (RFC 9110 §5.6.7). */
function seconds(header: string | undefined): number | undefined {
  if (header === undefined || !HTTP_DATE.test(header.trim())) return undefined;
  const milliseconds = Date.parse(header);
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000;
}

const secondsOf = (date: Date): number => Math.floor(date.getTime() / 1000);

/** The listed etags, without quotes, in order; weak ones marked. */
function listed(header: string): { readonly etag: string; readonly weak: boolean }[] {
  return [...header.matchAll(/(W\/)?"([^"]*)"/g)].map(([, weak, etag]) => ({ etag: etag ?? '', weak: weak !== undefined }));
}

/** Container clients send a digest without the quotes that an etag has. */
const bareDigest = (header: string): readonly string[] => (/^sha\d+:[0-9a-f]+$/.test(header.trim()) ? [header.trim()] : []);

const isAny = (header: string): boolean => header.trim() === '*';

/** The etag under which the client has a copy that is still good; `'*'` matches whatever there is. */
function matched(header: string, { etags }: Validators): string | undefined {
  if (isAny(header)) return etags[0] ?? '';
  const known = new Set([...listed(header).map(({ etag }) => etag), ...bareDigest(header)]);
  return etags.find((etag) => known.has(etag));
}

/** RFC 9110 §13.2.2, for GET and HEAD on what exists. */
export function evaluate(headers: HeaderBag, validators: Validators): Verdict {
  const { etags, lastModified } = validators;
  const ifMatch = headers.get('if-match');
  const unmodifiedSince = ifMatch === undefined ? seconds(headers.get('if-unmodified-since')) : undefined;
  if (ifMatch !== undefined && !isAny(ifMatch) && !listed(ifMatch).some(({ etag, weak }) => !weak && etags.includes(etag)))
    return { type: 'failed' };
  if (unmodifiedSince !== undefined && lastModified && secondsOf(lastModified) > unmodifiedSince) return { type: 'failed' };
  const noneMatch = headers.get('if-none-match');
  if (noneMatch !== undefined) {
    const etag = matched(noneMatch, validators);
    return etag === undefined ? PROCEED : { type: 'fresh', etag: etag === '' ? undefined : etag };
  }
  const modifiedSince = seconds(headers.get('if-modified-since'));
  if (modifiedSince !== undefined && lastModified && secondsOf(lastModified) <= modifiedSince)
    return { type: 'fresh', etag: etags[0] };
  return PROCEED;
}

/** A range is only good for the very version that the client has (RFC 9110 §13.1.5). */
export function rangeApplies(headers: HeaderBag, etag: string | undefined, lastModified: Date | undefined): boolean {
  const ifRange = headers.get('if-range')?.trim();
  if (ifRange === undefined) return true;
  if (ifRange.startsWith('"')) return etag !== undefined && ifRange === `"${etag}"`;
  return lastModified !== undefined && seconds(ifRange) === secondsOf(lastModified);
}
