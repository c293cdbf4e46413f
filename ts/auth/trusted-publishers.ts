import { RegistryError } from '../errors/registry-error.js';
import type { Clock } from '../lib/clock.js';
import { streamToBuffer } from '../lib/streams.js';
import type { AuthManager } from './auth-manager.js';

/** Algorithms that an issuer may sign with: those whose key cannot be confused with a shared secret. */
export type PublisherAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA';

/** A build that may publish without a stored token, because its platform says which build it is (OpenID Connect). */
export interface ITrustedPublisher {
  /** `iss` of the platform's id tokens, exactly. */
  readonly issuer: string;
  /** `aud`, exactly. Default: `npm:` and the host name of `publicUrl`. */
  readonly audience?: string;
  /** The issuer's public keys (RFC 7517)… */
  readonly jwks?: { readonly keys: readonly Readonly<Record<string, unknown>>[] };
  /** …or where it publishes them: an https URL, fetched when needed and kept for ten minutes. */
  readonly jwksUrl?: string;
  /** Default `['RS256', 'ES256']`. */
  readonly algorithms?: readonly PublisherAlgorithm[];
  /** Claims that must all be there, at least one; `*` is any run of characters: `{ repository: 'acme/tool', ref: 'refs/tags/v*' }`. */
  readonly claims: Readonly<Record<string, string>>;
  /** Names of packages, `*` likewise. */
  readonly packages: readonly string[];
  /** Repository they are in. Default: the one that was asked. */
  readonly repository?: string;
  /** Name of the user who publishes: owners and organisations decide about them as about anybody. */
  readonly user: string;
}

export interface TrustedPublisherOptions {
  readonly publishers: readonly (ITrustedPublisher & { readonly audience: string })[];
  readonly manager: Pick<AuthManager, 'createWorkloadToken' | 'profiles'>;
  readonly clock: Clock;
  /** For `jwksUrl`. */
  readonly fetch?: typeof fetch;
}

/** What a publisher is given. */
export interface Exchanged {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

type Jose = typeof import('jose');
type Keys = ReturnType<Jose['createLocalJWKSet']> | ReturnType<Jose['createRemoteJWKSet']>;
type Claims = Readonly<Record<string, unknown>>;

const LIFE_SECONDS = 15 * 60;
const LONGEST = 8_192;
const LEEWAY_SECONDS = 30;
const OLDEST = '1d';
const FETCH_MS = 5_000;
const KEPT_MS = 600_000;
const COOLDOWN_MS = 30_000;
const MAX_JWKS = 256 * 1024;

const matches = (pattern: string, value: string): boolean =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
    's',
  ).test(value);

const said = (claims: Claims, name: string): string | undefined => {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
};

const fits = (claims: Claims, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([name, pattern]) => {
    const value = said(claims, name);
    return value !== undefined && matches(pattern, value);
  });

const refused = (): RegistryError =>
  new RegistryError('unauthenticated', 'No trusted publisher fits this identity token and this package', { code: 'oidc' });

/** Exchanges the identity tokens of builds for tokens of the registry that write one package for a quarter of an hour. */
export class TrustedPublishers {
  private readonly options: TrustedPublisherOptions;
  private readonly keys = new Map<ITrustedPublisher, Promise<Keys>>();

  constructor(options: TrustedPublisherOptions) {
    this.options = options;
  }

  /**
   * Throws `unauthenticated` where no publisher fits, whatever it is that does not: what an identity token could be for is not told to whoever asks;
   * `unavailable` where the issuer's keys cannot be fetched.
   */
  async exchange(idToken: string, protocol: string, repository: string, name: string): Promise<Exchanged> {
    const { publishers, manager, clock } = this.options;
    if (idToken.length > LONGEST) throw refused();
    for (const publisher of publishers) {
      if (!publisher.packages.some((pattern) => matches(pattern, name))) continue;
      const claims = await this.verified(publisher, idToken);
      if (!claims || !fits(claims, publisher.claims)) continue;
      const userId = await manager.profiles.findUser(publisher.user);
      if (userId === null) throw refused();
      const first = publisher.repository ?? repository;
      const scopes = ['read', 'write'].map((action) => `${first}:package:${name}:${action}`);
      const expiresAt = clock.now() + LIFE_SECONDS * 1_000;
      return { token: await manager.createWorkloadToken(userId, protocol, scopes, LIFE_SECONDS), expiresAt };
    }
    throw refused();
  }

  private async verified(
    publisher: ITrustedPublisher & { readonly audience: string },
    idToken: string,
  ): Promise<Claims | undefined> {
    const jose = await import('jose');
    const { algorithms = ['RS256', 'ES256'], issuer, audience } = publisher;
    try {
      const { payload } = await jose.jwtVerify(idToken, await this.keysOf(jose, publisher), {
        algorithms: [...algorithms],
        issuer,
        audience,
        requiredClaims: ['exp', 'iat', 'sub'],
        maxTokenAge: OLDEST,
        clockTolerance: LEEWAY_SECONDS,
        currentDate: new Date(this.options.clock.now()),
      });
      return payload;
    } catch (error) {
      if (error instanceof jose.errors.JWKSTimeout || error instanceof KeysUnavailable)
        throw new RegistryError('unavailable', "the issuer's keys cannot be fetched now", { cause: error });
      return undefined;
    }
  }

  private keysOf(jose: Jose, publisher: ITrustedPublisher): Promise<Keys> {
    const known = this.keys.get(publisher) ?? Promise.resolve(this.open(jose, publisher));
    this.keys.set(publisher, known);
    return known;
  }

  private open(jose: Jose, { jwks, jwksUrl }: ITrustedPublisher): Keys {
    if (jwksUrl === undefined)
      return jose.createLocalJWKSet((jwks ?? { keys: [] }) as unknown as Parameters<Jose['createLocalJWKSet']>[0]);
    return jose.createRemoteJWKSet(new URL(jwksUrl), {
      timeoutDuration: FETCH_MS,
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: KEPT_MS,
      [jose.customFetch]: bounded(this.options.fetch ?? fetch),
    });
  }
}

class KeysUnavailable extends Error {}

/** No redirect is followed, and no more is read than a set of keys can have. */
const bounded =
  (get: typeof fetch) =>
  async (
    url: string,
    init: { readonly headers: Headers; readonly method: 'GET'; readonly signal: AbortSignal },
  ): Promise<Response> => {
    try {
      const answer = await get(url, { headers: init.headers, method: init.method, signal: init.signal, redirect: 'error' });
      const bytes = await streamToBuffer(answer.body ?? undefined, { limit: MAX_JWKS });
      if (answer.status !== 200) throw new Error(`status ${answer.status}`);
      return new Response(new Uint8Array(bytes), { status: 200 });
    } catch (cause) {
      throw new KeysUnavailable('the keys of an issuer could not be fetched', { cause });
    }
  };
