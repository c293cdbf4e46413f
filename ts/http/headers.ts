import type { IRequestContext } from './context.js';
import type { HeaderBag } from './route.js';

type HeaderRecord = IRequestContext['headers'];
type HeaderValue = HeaderRecord[string];

const joined = (value: HeaderValue): string | undefined =>
  value === undefined || typeof value === 'string' ? value : value.join(', ');

/** Request headers over the host's record, whatever the spelling of its names; nothing is copied while the names are lower case already. */
export function headersOf(record: HeaderRecord): HeaderBag {
  let folded: Map<string, string> | undefined;
  const fold = (): Map<string, string> => {
    if (folded) return folded;
    folded = new Map();
    for (const [name, value] of Object.entries(record)) {
      const text = joined(value);
      if (text === undefined) continue;
      const key = name.toLowerCase();
      const known = folded.get(key);
      folded.set(key, known === undefined ? text : `${known}, ${text}`);
    }
    return folded;
  };
  const lower = Object.keys(record).every((name) => name === name.toLowerCase());
  return {
    get: (name) => {
      const key = name.toLowerCase();
      if (!lower) return fold().get(key);
      return Object.hasOwn(record, key) ? joined(record[key]) : undefined;
    },
  };
}

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const knownGood = new Set<string>();
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

const STANDARD = new Map(
  [
    ...['Accept-Ranges', 'Allow', 'Cache-Control', 'Connection', 'Content-Disposition', 'Content-Encoding', 'Content-Length'],
    ...['Content-Range', 'Content-Security-Policy', 'Content-Type', 'ETag', 'Last-Modified', 'Link', 'Location', 'Retry-After'],
    ...['Vary', 'WWW-Authenticate', 'X-Content-Type-Options'],
  ].map((name) => [name.toLowerCase(), name]),
);

/** What `toLowerCase` makes of the names that we set ourselves: known, for each response sets a dozen. */
const LOWER = new Map([...STANDARD].map(([lower, name]) => [name, lower]));
const lowered = (name: string): string => LOWER.get(name) ?? name.toLowerCase();

/** Response headers while they are put together: standard names in their usual spelling, others in the first that they are given. */
export class ResponseHeaders {
  private readonly values = new Map<string, string>();
  /** Spellings of names that are not in `STANDARD`. */
  private names: Map<string, string> | undefined;

  set(name: string, value: string): void {
    const key = lowered(name);
    if (!STANDARD.has(key) && !this.values.has(key)) {
      this.names ??= new Map();
      this.names.set(key, name);
    }
    this.values.set(key, value);
  }

  setAll(headers: Readonly<Record<string, string>>): void {
    for (const name in headers) if (Object.hasOwn(headers, name)) this.set(name, headers[name] as string);
  }

  get(name: string): string | undefined {
    return this.values.get(lowered(name));
  }

  delete(name: string): void {
    this.values.delete(lowered(name));
  }

  /** Adds to `Vary`, without repeating. */
  vary(names: readonly string[]): void {
    if (names.length === 0) return;
    let all = this.get('Vary');
    for (const name of names) {
      if (all === undefined) all = name;
      else if (!all.toLowerCase().split(', ').includes(name.toLowerCase())) all += `, ${name}`;
    }
    if (all !== undefined) this.set('Vary', all);
  }

  /** Names that are no tokens are left out, values made safe. */
  record(): Record<string, string> {
    const out: Record<string, string> = {};
    for (const [key, value] of this.values) {
      const name = STANDARD.get(key) ?? this.names?.get(key) ?? key;
      if (!knownGood.has(name)) {
        if (!NAME.test(name)) continue;
        if (knownGood.size < 256) knownGood.add(name);
      }
      out[name] = safeValue(value);
    }
    return out;
  }
}
