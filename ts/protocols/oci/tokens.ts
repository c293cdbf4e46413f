import type { Accounts } from '../../auth/accounts.js';
import type { AuthManager } from '../../auth/auth-manager.js';
import { ANONYMOUS_TOKEN, readAuthorization } from '../../auth/credentials.js';
import type { Principal } from '../../auth/principal.js';
import { invalid, RegistryError } from '../../errors/registry-error.js';
import { json, type Reply } from '../../http/reply.js';
import type { Call, RequestBody } from '../../http/route.js';
import { text } from '../../lib/bytes.js';
import type { Clock } from '../../lib/clock.js';
import { isName } from './names.js';
import type { OciState } from './state.js';

type Plain<B = unknown> = Call<Record<never, never>, B, OciState>;

/** What a token service needs of the house. */
export interface TokenParts {
  readonly manager: Pick<AuthManager, 'exchange' | 'identify'>;
  readonly accounts: Accounts;
  /** The repository's name: scopes may give it in the place of the protocol. */
  readonly repository: string;
  readonly clock: Clock;
}

const PROTOCOL = 'oci';
/** Seconds: long enough for a large layer, because clients send the header of the first request with the last one too. */
const TTL = 3_600;
/** Seconds that a login lives which a client keeps in the place of a password. */
const REFRESH_TTL = 90 * 86_400;
const MAX_SCOPES = 50;
/** Words of the distribution scopes that mean something here. */
const WORDS: ReadonlySet<string> = new Set(['pull', 'push', 'delete', '*']);

type Get = (name: string) => string | undefined;

const wrong = (): RegistryError => new RegistryError('unauthenticated', 'The credentials are not valid');

/** `type:name:action,action`, split at the first and the last colon: a name may begin with a host and port. Others count for nothing. */
function scopesOf(asked: string, repository: string): readonly string[] {
  const first = asked.indexOf(':');
  const last = asked.lastIndexOf(':');
  if (first < 0 || last <= first) return [];
  const type = asked.slice(0, first).replace(/\([^)]*\)$/, '');
  const name = asked.slice(first + 1, last);
  const actions = asked
    .slice(last + 1)
    .split(',')
    .filter((word) => WORDS.has(word));
  const firsts = [...new Set([PROTOCOL, repository])];
  // the list of names is what one may read of them
  if (type === 'registry' && name === 'catalog' && actions.includes('*')) return firsts.map((one) => `${one}:repository:*:pull`);
  const known = type === 'repository' && isName(name);
  return known ? firsts.flatMap((one) => actions.map((word) => `${one}:repository:${name}:${word}`)) : [];
}

/** Scopes of one request: repeated, or several in one text with blanks between them. */
const wantedOf = (given: readonly string[], repository: string): readonly string[] =>
  given
    .flatMap((value) => value.split(' '))
    .filter((value) => value !== '')
    .slice(0, MAX_SCOPES)
    .flatMap((value) => scopesOf(value, repository));

/** Fields of a form, parsed by us or by a framework. */
async function formOf(body: RequestBody): Promise<{ readonly get: Get; readonly all: (name: string) => readonly string[] }> {
  const { parsed } = body;
  if (typeof parsed === 'object' && parsed !== null) {
    const fields = new Map<string, unknown>(Object.entries(parsed));
    const all = (name: string): readonly string[] =>
      [fields.get(name)].flat().filter((one): one is string => typeof one === 'string');
    return { get: (name) => all(name)[0], all };
  }
  const form = new URLSearchParams(text(await body.bytes()));
  return { get: (name) => form.get(name) ?? undefined, all: (name) => form.getAll(name) };
}

/** The token endpoint: Docker's token authentication (GET) and OAuth 2 (POST), https://distribution.github.io/distribution/spec/auth/. */
export class Tokens {
  private readonly parts: TokenParts;

  constructor(parts: TokenParts) {
    this.parts = parts;
  }

  /** `GET /v2/`: who may do nothing at all is asked for credentials; a token for nobody in particular is good enough. */
  ping = async (call: Plain): Promise<Reply> => {
    const headers = { 'Docker-Distribution-API-Version': 'registry/2.0' };
    const anonymous = call.headers.get('authorization') === `Bearer ${ANONYMOUS_TOKEN}`;
    if (call.principal || anonymous) return json({}, 'no-store', { headers });
    const message = presented(call.headers.get('authorization')) ? wrong().message : 'authentication required';
    throw new RegistryError('unauthenticated', message, { headers });
  };

  get = async (call: Plain): Promise<Reply> => {
    const header = call.headers.get('authorization');
    if (!call.principal && presented(header)) throw wrong();
    const scopes = wantedOf(call.query.getAll('scope'), this.parts.repository);
    if (!call.principal) return this.anonymous();
    const refresh = call.query.get('offline_token') === 'true' ? await this.refresh(call.principal, header) : undefined;
    return this.issue(call.principal, scopes, refresh);
  };

  post = async (call: Plain<RequestBody>): Promise<Reply> => {
    const form = await formOf(call.body);
    const grant = form.get('grant_type');
    const header = grant === 'password' ? basicOf(form.get) : grant === 'refresh_token' ? bearerOf(form.get) : undefined;
    if (header === undefined) throw invalid('grant_type must be password or refresh_token', { code: 'UNSUPPORTED' });
    const { address, signal } = call;
    const { repository, manager } = this.parts;
    const headers = { get: (name: string) => (name.toLowerCase() === 'authorization' ? header : undefined) };
    const principal = await manager.identify(headers, { protocol: PROTOCOL, repository, address, signal });
    if (!principal) throw wrong();
    const offline = grant === 'refresh_token' || form.get('access_type') === 'offline';
    const refresh = offline ? await this.refresh(principal, header) : undefined;
    return this.issue(principal, wantedOf(form.all('scope'), repository), refresh);
  };

  private async issue(principal: Principal, scopes: readonly string[], refresh: string | undefined): Promise<Reply> {
    const session = await this.parts.manager.exchange(principal, PROTOCOL, scopes, TTL, { empty: true });
    return this.answer(session.token, session.ttl, session.scopes, refresh);
  }

  private anonymous(): Reply {
    return this.answer(ANONYMOUS_TOKEN, TTL, [], undefined);
  }

  private answer(token: string, ttl: number, scopes: readonly string[], refresh: string | undefined): Reply {
    const issued = new Date(this.parts.clock.now()).toISOString();
    const body = {
      token,
      access_token: token,
      expires_in: ttl,
      issued_at: issued,
      scope: scopes.map((scope) => scope.slice(scope.indexOf(':') + 1)).join(' '),
      ...(refresh === undefined ? {} : { refresh_token: refresh }),
    };
    return json(body, 'no-store', { headers: { Pragma: 'no-cache' } });
  }

  /** Whoever came with a token goes on with it; a password becomes a token that can be revoked. Undefined: the client keeps what it has. */
  private async refresh(principal: Principal, header: string | undefined): Promise<string | undefined> {
    if (principal.tokenId !== undefined) {
      const credentials = readAuthorization(header);
      const [token, ...others] = typeof credentials === 'object' ? credentials.tokens : [];
      return others.length === 0 && !principal.tokenId.startsWith('jwt-') ? token : undefined;
    }
    try {
      const request = { name: 'oci login', protocol: PROTOCOL, ttl: REFRESH_TTL };
      return (await this.parts.accounts.createToken(principal, request)).token;
    } catch (error) {
      if (error instanceof RegistryError && (error.kind === 'forbidden' || error.kind === 'not_found')) return undefined;
      throw error;
    }
  }
}

/** Credentials were sent, whatever they are worth. */
const presented = (header: string | undefined): boolean => readAuthorization(header) !== undefined;

function basicOf(get: Get): string {
  const [username, password] = [get('username'), get('password')];
  if (username === undefined || password === undefined || username.includes(':'))
    throw invalid('username and password are missing');
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function bearerOf(get: Get): string {
  const token = get('refresh_token');
  if (token === undefined || token === '') throw invalid('refresh_token is missing');
  return `Bearer ${token}`;
}
