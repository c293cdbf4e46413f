/** `type/subtype` in lower case, with parameters by lower-case name. */
export interface MediaType {
  readonly essence: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const MAX_LENGTH = 1024;

/** Splits at `separator` outside quoted strings (RFC 9110 §5.6). */
export function splitOutsideQuotes(value: string, separator: string): string[] {
  if (!value.includes('"')) return value.split(separator);
  const parts: string[] = [];
  let quoted = false;
  let from = 0;
  for (let at = 0; at < value.length; at++) {
    const char = value[at];
    if (quoted && char === '\\') at++;
    else if (char === '"') quoted = !quoted;
    else if (char === separator && !quoted) {
      parts.push(value.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(value.slice(from));
  return parts;
}

const unquote = (value: string): string =>
  value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;

/** Reads a Content-Type or one item of an Accept header (`*` allowed in both places). Undefined when it is none (RFC 9110 §8.3.1). */
export function parseMediaType(value: string): MediaType | undefined {
  if (value.length > MAX_LENGTH) return undefined;
  const [first = '', ...rest] = splitOutsideQuotes(value, ';');
  const essence = first.trim().toLowerCase();
  const slash = essence.indexOf('/');
  if (slash < 1 || !TOKEN.test(essence.slice(0, slash)) || !TOKEN.test(essence.slice(slash + 1))) return undefined;
  const parameters = new Map<string, string>();
  for (const part of rest) {
    const equals = part.indexOf('=');
    const name = part.slice(0, Math.max(equals, 0)).trim().toLowerCase();
    if (TOKEN.test(name) && !parameters.has(name)) parameters.set(name, unquote(part.slice(equals + 1).trim()));
  }
  return { essence, parameters };
}

/** `type/subtype` of a Content-Type, or the empty string. */
export const essenceOf = (contentType: string | undefined): string =>
  contentType === undefined ? '' : (parseMediaType(contentType)?.essence ?? '');

/** True for `application/json` and everything `+json`. */
export const isJsonType = (essence: string): boolean => essence === 'application/json' || essence.endsWith('+json');
