import { Recall } from '../lib/recall.js';
import type { IRequestContext } from './context.js';
import type { HeaderBag } from './route.js';

type HeaderRecord = IRequestContext['headers'];
type HeaderValue = HeaderRecord[string];

const joined = (value: HeaderValue): string | undefined =>
  value === undefined || typeof value === 'string' ? value : value.join(', ');

/** Names as Node and fetch give them, and as the house asks for them. */
const lowerCase = new Recall<true>({ longest: 64 });
const isLower = (name: string): boolean =>
  lowerCase.get(name) === true || (name === name.toLowerCase() && lowerCase.keep(name, true));

function folded(record: HeaderRecord): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(record)) {
    const text = joined(value);
    if (text === undefined) continue;
    const key = name.toLowerCase();
    const known = values.get(key);
    values.set(key, known === undefined ? text : `${known}, ${text}`);
  }
  return values;
}

class RecordHeaders implements HeaderBag {
  private readonly record: HeaderRecord;
  /** Where a name was not lower case. */
  private readonly folded: Map<string, string> | undefined;

  constructor(record: HeaderRecord) {
    this.record = record;
    let lower = true;
    for (const name in record) lower &&= isLower(name) || !Object.hasOwn(record, name);
    this.folded = lower ? undefined : folded(record);
  }

  get(name: string): string | undefined {
    const key = isLower(name) ? name : name.toLowerCase();
    if (this.folded) return this.folded.get(key);
    return Object.hasOwn(this.record, key) ? joined(this.record[key]) : undefined;
  }
}

/** Request headers over the host's record, whatever the spelling of its names; nothing is copied while the names are lower case already. */
export const headersOf = (record: HeaderRecord): HeaderBag => new RecordHeaders(record);

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const SAFE = /^[\t\x20-\x7e]*$/;

function percentEncode(char: string): string {
  const point = char.codePointAt(0) ?? 0;
  return encodeURIComponent(point >= 0xd800 && point <= 0xdfff ? '\ufffd' : char);
}

/** A header value that every server sends as it is: whatever is not printable ASCII is percent-encoded, so nothing can split a header. */
export const safeValue = (value: string): string => (SAFE.test(value) ? value : value.replace(/[^\t\x20-\x7e]/gu, percentEncode));

/** A reason phrase that every server accepts: printable ASCII, at most 200 characters. */
export const safeReason = (text: string): string =>
  text
    .slice(0, 200)
    .replace(/[^\x20-\x7e]/g, ' ')
    .trim();

/** How standard names are spelled, by that spelling and in lower case. */
const STANDARD = new Map(
  [
    ...['Accept-Ranges', 'Allow', 'Cache-Control', 'Connection', 'Content-Disposition', 'Content-Encoding', 'Content-Length'],
    ...['Content-Range', 'Content-Security-Policy', 'Content-Type', 'ETag', 'Last-Modified', 'Link', 'Location', 'Retry-After'],
    ...['Vary', 'WWW-Authenticate', 'X-Content-Type-Options'],
  ].flatMap((name) => [[name, name] as const, [name.toLowerCase(), name] as const]),
);

/** Response headers while they are put together: standard names in their usual spelling, others in the first that they are given. */
export class ResponseHeaders {
  private readonly values: Record<string, string | undefined> = {};
  private lacking = false;
  /** Spellings of names that are not in `STANDARD`, by lower case. */
  private names: Map<string, string> | undefined;

  /** What is no token is no name, and is left out; values are made safe. */
  set(name: string, value: string): void {
    const spelled = this.spelling(name, true);
    if (STANDARD.has(spelled) || NAME.test(spelled)) this.values[spelled] = safeValue(value);
  }

  setAll(headers: Readonly<Record<string, string>>): void {
    for (const name in headers) if (Object.hasOwn(headers, name)) this.set(name, headers[name] as string);
  }

  get(name: string): string | undefined {
    const spelled = this.spelling(name);
    return Object.hasOwn(this.values, spelled) ? this.values[spelled] : undefined;
  }

  delete(name: string): void {
    const spelled = this.spelling(name);
    if (!Object.hasOwn(this.values, spelled)) return;
    this.values[spelled] = undefined;
    this.lacking = true;
  }

  /** Adds to `Vary`, without repeating. */
  vary(names: readonly string[]): void {
    let all = this.get('Vary') ?? '';
    for (const name of names) {
      const [known, added] = [all.toLowerCase(), name.toLowerCase()];
      if (known.includes(added) && known.split(', ').includes(added)) continue;
      all = all === '' ? name : `${all}, ${name}`;
    }
    if (all !== '') this.set('Vary', all);
  }

  /** Nothing may be set any more. */
  record(): Record<string, string> {
    if (!this.lacking) return this.values as Record<string, string>;
    const out: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.values)) if (value !== undefined) out[name] = value;
    return out;
  }

  private spelling(name: string, given = false): string {
    const standard = STANDARD.get(name);
    if (standard !== undefined) return standard;
    const lower = name.toLowerCase();
    const known = STANDARD.get(lower) ?? this.names?.get(lower);
    if (known !== undefined || !given) return known ?? name;
    this.names ??= new Map();
    this.names.set(lower, name);
    return name;
  }
}
