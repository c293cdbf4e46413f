import { invalid } from '../errors/registry-error.js';
import type { Route } from './route.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const UNSAFE = /[\u0000-\u001f\u007f\\]/;
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)/;

/** Percent-decoded exactly once. Throws `invalid` for escapes that are not UTF-8. */
export function decodeOnce(raw: string): string {
  if (!raw.includes('%')) return raw;
  try {
    return decodeURIComponent(raw);
  } catch {
    throw invalid('malformed percent-encoding');
  }
}

/** The values of a route's placeholders. Throws what the placeholder's own grammar throws, or `invalid`. */
export function parameters(route: Route, raw: readonly string[]): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = Object.create(null);
  for (let at = 0; at < route.names.length; at++) {
    const name = route.names[at] as string;
    const param = route.params[name];
    const decoded = decodeOnce(raw[at] ?? '');
    if (!param?.anyText && (UNSAFE.test(decoded) || DOT_SEGMENT.test(decoded))) throw invalid('malformed path');
    values[name] = param?.parse(decoded);
  }
  return values;
}
