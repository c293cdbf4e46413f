/** What an `Authorization` header holds, in the order in which it is tried. */
export interface Credentials {
  /** Texts that may be a token. */
  readonly tokens: readonly string[];
  readonly login: { readonly username: string; readonly password: string } | undefined;
}

/** The bearer token of nobody in particular: for clients that cannot go on without one. It opens what no credentials open. */
export const ANONYMOUS_TOKEN = 'anonymous';

export const MAX_AUTHORIZATION = 8_192;

const TOKEN = /^[\x21-\x7e]{1,8192}$/;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** Basic with these passwords means that the user name is the token (bundler, composer, git). */
const NO_PASSWORD: ReadonlySet<string> = new Set(['', 'x-oauth-basic', 'x-token-auth']);

function decode(text: string): string | undefined {
  if (!BASE64.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // RFC 7617 leaves the encoding open; old clients send Latin-1.
    return bytes.toString('latin1');
  }
}

function basic(text: string): Credentials | 'malformed' | undefined {
  const pair = decode(text);
  const colon = pair?.indexOf(':') ?? -1;
  if (pair === undefined || colon < 0) return 'malformed';
  const [username, password] = [pair.slice(0, colon), pair.slice(colon + 1)];
  // A client with an empty configuration: nobody in particular.
  if (username === '' && password === '') return undefined;
  const tokens = [NO_PASSWORD.has(password) ? username : password].filter((token) => TOKEN.test(token));
  return { tokens, login: NO_PASSWORD.has(password) ? undefined : { username, password } };
}

/**
 * Reads Bearer, Basic (RFC 7617; a token as password, or as user name with an empty password or `x-oauth-basic`), and a bare token (cargo, gem).
 * Undefined: no credentials. `'malformed'`: some, but no good.
 */
export function readAuthorization(header: string | undefined): Credentials | 'malformed' | undefined {
  if (header === undefined) return undefined;
  if (header.length > MAX_AUTHORIZATION) return 'malformed';
  const value = header.trim();
  if (value === '') return undefined;
  const space = value.indexOf(' ');
  if (space < 0)
    return TOKEN.test(value) && !/^(?:bearer|basic)$/i.test(value) ? { tokens: [value], login: undefined } : 'malformed';
  const [scheme, rest] = [value.slice(0, space).toLowerCase(), value.slice(space + 1).trim()];
  if (scheme === 'basic') return basic(rest);
  if (scheme === 'bearer' && rest === ANONYMOUS_TOKEN) return undefined;
  return scheme === 'bearer' && TOKEN.test(rest) ? { tokens: [rest], login: undefined } : 'malformed';
}
