import { invalid, RegistryError } from '../errors/registry-error.js';
import { text } from '../lib/bytes.js';

const MAX_DEPTH = 64;
const MAX_NODES = 1_000_000;

function checkString(value: string): void {
  if (value.includes('\0')) throw invalid('JSON contains NUL');
  if (!(value as unknown as { isWellFormed(): boolean }).isWellFormed()) throw invalid('JSON contains a lone surrogate');
}

/**
 * Refuses what later code would trip over: nesting beyond 64, own `__proto__` keys, NUL, lone surrogates, numbers that are no finite double, more than a
 * million values. Throws `invalid`, or `too_large` for the last.
 */
export function checkJson(value: unknown): void {
  let nodes = 0;
  const visit = (item: unknown, depth: number): void => {
    if (++nodes > MAX_NODES) throw new RegistryError('too_large', `JSON has more than ${MAX_NODES} values`);
    if (typeof item === 'string') checkString(item);
    if (typeof item === 'number' && !Number.isFinite(item)) throw invalid('JSON number out of range');
    if (typeof item !== 'object' || item === null) return;
    if (depth >= MAX_DEPTH) throw invalid(`JSON is nested more than ${MAX_DEPTH} deep`);
    if (Array.isArray(item)) {
      for (const element of item) visit(element, depth + 1);
      return;
    }
    for (const key of Object.keys(item)) {
      if (key === '__proto__') throw invalid('JSON key __proto__ is not allowed');
      checkString(key);
      visit((item as Record<string, unknown>)[key], depth + 1);
    }
  };
  visit(value, 0);
}

/** JSON of UTF-8 bytes (RFC 8259), strictly; see `checkJson`. Throws `invalid`, also for a byte order mark. */
export function parseJson(bytes: Uint8Array): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text(bytes));
  } catch (cause) {
    throw invalid(cause instanceof SyntaxError ? 'body is not valid JSON' : 'body is not valid UTF-8', { cause });
  }
  checkJson(value);
  return value;
}
