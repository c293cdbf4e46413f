import { invalid } from '../errors/registry-error.js';
import type { IRequestContext } from './context.js';
import type { Query } from './route.js';

/** Undecoded, without the question mark; or what a host's parser made of it. */
export type RawQuery = string | IRequestContext['query'];

const MAX_LENGTH = 8192;
const MAX_PARAMETERS = 512;

function decode(text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text.includes('+') ? text.replaceAll('+', ' ') : text);
  } catch {
    throw invalid('malformed percent-encoding in query');
  }
  if (decoded.includes('\0')) throw invalid('NUL in query');
  return decoded;
}

function add(values: Map<string, string[]>, name: string, value: string): void {
  const known = values.get(name);
  if (known) known.push(value);
  else values.set(name, [value]);
}

const NONE: ReadonlyMap<string, string[]> = new Map();

function parseText(raw: string): ReadonlyMap<string, string[]> {
  if (raw === '') return NONE;
  const values = new Map<string, string[]>();
  const pairs = raw.split('&', MAX_PARAMETERS + 1);
  if (pairs.length > MAX_PARAMETERS) throw invalid(`more than ${MAX_PARAMETERS} query parameters`);
  for (const pair of pairs) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    if (equals < 0) add(values, decode(pair), '');
    else add(values, decode(pair.slice(0, equals)), decode(pair.slice(equals + 1)));
  }
  return values;
}

function parseRecord(record: IRequestContext['query']): Map<string, string[]> {
  const values = new Map<string, string[]>();
  let count = 0;
  for (const [name, value] of Object.entries(record)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (typeof item !== 'string') continue;
      if (++count > MAX_PARAMETERS) throw invalid(`more than ${MAX_PARAMETERS} query parameters`);
      if (item.includes('\0') || item.length > MAX_LENGTH) throw invalid('malformed query');
      add(values, name, item);
    }
  }
  return values;
}

/** A query that is parsed on first use. Throws `invalid` when it is longer than 8,192 characters; `get` for bad escapes and more than 512 parameters. */
export function queryOf(raw: RawQuery): Query {
  if (typeof raw === 'string' && raw.length > MAX_LENGTH) throw invalid(`query is longer than ${MAX_LENGTH} characters`);
  let values: ReadonlyMap<string, string[]> | undefined;
  const parsed = (): ReadonlyMap<string, string[]> => {
    values ??= typeof raw === 'string' ? parseText(raw) : parseRecord(raw);
    return values;
  };
  return { get: (name) => parsed().get(name)?.[0], getAll: (name) => parsed().get(name) ?? [] };
}
