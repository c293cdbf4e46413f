import type { KeyObject } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { ConfigError } from '../../errors/config-error.js';
import { text } from '../../lib/bytes.js';
import type { Clock, Random } from '../../lib/clock.js';
import { randomId } from '../../lib/ids.js';

/** Nothing else is accepted, and a key works with its one algorithm only. */
export type JwtAlgorithm = 'HS256' | 'RS256' | 'PS256' | 'ES256' | 'EdDSA';

export interface JwtOptions {
  /** A KeyObject, never text: PEM text would pass as an HMAC key. HS256: at least 32 bytes. */
  readonly key: KeyObject;
  /** Default HS256. */
  readonly algorithm?: JwtAlgorithm;
  readonly issuer: string;
  readonly audience: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Seconds that clocks may differ. Default 30. */
  readonly leeway?: number;
  /** Seconds after which a token is refused whatever it says of itself. Default 86,400. */
  readonly maxAge?: number;
}

/** What a verified token says (RFC 7519); times in seconds. */
export interface JwtClaims {
  readonly sub: string;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  readonly [claim: string]: unknown;
}

const LONGEST = 8_192;
const MAX_PROVED = 1_000;
const HEADER_MEMBERS: ReadonlySet<string> = new Set(['alg', 'typ']);
const KEY_TYPES: Readonly<Record<Exclude<JwtAlgorithm, 'HS256'>, readonly string[]>> = {
  RS256: ['rsa'],
  PS256: ['rsa', 'rsa-pss'],
  ES256: ['ec'],
  EdDSA: ['ed25519'],
};

function keyProblem(key: KeyObject, algorithm: JwtAlgorithm): string | undefined {
  if (typeof key !== 'object' || key === null || typeof key.type !== 'string') return 'must be a KeyObject';
  if (algorithm === 'HS256') {
    if (key.type !== 'secret') return 'HS256 needs a secret key';
    return (key.symmetricKeySize ?? 0) < 32 ? 'must have at least 32 bytes' : undefined;
  }
  if (key.type === 'secret') return `${algorithm} needs a public or private key`;
  if (!KEY_TYPES[algorithm].includes(key.asymmetricKeyType ?? '')) return `is not a key for ${algorithm}`;
  if (algorithm === 'ES256' && key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return 'ES256 needs the curve P-256';
  return (key.asymmetricKeyDetails?.modulusLength ?? 2_048) < 2_048 ? 'must have at least 2,048 bits' : undefined;
}

/** Names on the outermost level of a JSON object, in order, repeated ones too: parsers disagree about which of them counts. */
function memberNames(json: string): string[] {
  const names: string[] = [];
  let depth = 0;
  for (const [token, , colon] of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1 && colon !== undefined) names.push(JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)) as string);
  }
  return names;
}

/** One spelling only: another last character, or padding, must not make a second text of the same token. */
function segment(part: string): string | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? text(bytes) : undefined;
}

/** Names of the members; undefined for anything but a JSON object. */
function members(part: string): string[] | undefined {
  const json = segment(part);
  if (json === undefined || !json.startsWith('{')) return undefined;
  JSON.parse(json);
  return memberNames(json);
}

/** Three canonical parts, a header that says nothing but `alg` and `typ`, no member twice. */
function wellFormed(token: string): boolean {
  if (token.length > LONGEST) return false;
  const [header, payload, signature, ...rest] = token.split('.');
  if (!header || !payload || !signature || rest.length > 0) return false;
  if (Buffer.from(signature, 'base64url').toString('base64url') !== signature) return false;
  const parts = [members(header), members(payload)];
  if (parts.some((names) => names === undefined || new Set(names).size !== names.length)) return false;
  return parts[0]?.every((name) => HEADER_MEMBERS.has(name)) === true;
}

/** JWTs with one pinned key, issuer and audience. Keys named by the token itself (`kid`, `jku`, `x5u`, `x5c`, `jwk`) and JWE are refused. */
export class Jwts {
  private readonly options: Required<JwtOptions>;
  /** Proved once: clients send one session with every request, and only time can undo the proof. */
  private readonly proved = new Map<string, JwtClaims>();

  /** Throws a ConfigError for a key that does not fit its algorithm. */
  constructor(options: JwtOptions) {
    this.options = { algorithm: 'HS256', leeway: 30, maxAge: 86_400, ...options };
    const problem = keyProblem(options.key, this.options.algorithm);
    if (problem) throw new ConfigError([{ path: 'auth.jwt.key', message: problem }]);
  }

  /** `ttl` in seconds, at most `maxAge`. */
  async sign(sub: string, ttl: number, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const { clock, random, algorithm, issuer, audience, key, maxAge } = this.options;
    if (!(Number.isSafeInteger(ttl) && ttl > 0 && ttl <= maxAge)) throw new RangeError(`A JWT lives 1 to ${maxAge} seconds`);
    const iat = Math.floor(clock.now() / 1_000);
    return new SignJWT({ ...claims, iss: issuer, aud: audience, sub, jti: randomId(random), iat, exp: iat + ttl })
      .setProtectedHeader({ alg: algorithm, typ: 'JWT' })
      .sign(key);
  }

  /** Undefined for whatever is not a current token of this issuer for this audience. Never throws. */
  async verify(token: string): Promise<JwtClaims | undefined> {
    const known = this.proved.get(token);
    if (known && this.current(known)) return known;
    const claims = await this.prove(token);
    if (!claims) this.proved.delete(token);
    else {
      if (this.proved.size >= MAX_PROVED) this.proved.clear();
      this.proved.set(token, claims);
    }
    return claims;
  }

  private current({ iat, exp, nbf }: JwtClaims): boolean {
    const { clock, leeway, maxAge } = this.options;
    const now = Math.floor(clock.now() / 1_000);
    const begun = iat <= now + leeway && (typeof nbf !== 'number' || nbf <= now + leeway);
    return begun && exp > now - leeway && now - iat <= maxAge + leeway;
  }

  private async prove(token: string): Promise<JwtClaims | undefined> {
    const { clock, algorithm, issuer, audience, key, leeway, maxAge } = this.options;
    try {
      if (!wellFormed(token)) return undefined;
      const { payload } = await jwtVerify(token, key, {
        algorithms: [algorithm],
        issuer,
        audience,
        requiredClaims: ['exp', 'iat', 'sub', 'jti'],
        maxTokenAge: maxAge,
        clockTolerance: leeway,
        currentDate: new Date(clock.now()),
      });
      const { sub, jti, iat, exp } = payload;
      if (typeof sub !== 'string' || typeof jti !== 'string' || sub === '' || jti === '') return undefined;
      return iat === undefined || exp === undefined ? undefined : Object.freeze({ ...payload, sub, jti, iat, exp });
    } catch {
      return undefined;
    }
  }
}
