import type { Accounts } from '../../auth/accounts.js';
import type { AuthManager } from '../../auth/auth-manager.js';
import { ANONYMOUS_TOKEN, readAuthorization } from '../../auth/credentials.js';
import type { Principal } from '../../auth/principal.js';
import { invalid, RegistryError } from '../../errors/registry-error.js';
import { readForm } from '../../http/form.js';
import { json, type Reply } from '../../http/reply.js';
import type { Call, RequestBody } from '../../http/route.js';
import type { Clock } from '../../lib/clock.js';
import { type AskedScopes, askedScopes, PROTOCOL } from './scopes.js';
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

/** Seconds: long enough for a large layer, because clients send the header of the first request with the last one too. */
const TTL = 3_600;
/** Seconds that a login lives which a client keeps in the place of a password. */
const REFRESH_TTL = 90 * 86_400;

/** Credentials that are good, and of which no lasting token can be made: the account may not, or has as many as it may. */
const UNMADE: ReadonlySet<string> = new Set(['forbidden', 'not_found', 'conflict']);

type Get = (name: string) => string | undefined;

const wrong = (): RegistryError => new RegistryError('unauthenticated', 'The credentials are not valid');

/** Fields of a form, parsed by us or by a framework. */
async function formOf(body: RequestBody): Promise<{ readonly get: Get; readonly all: (name: string) => readonly string[] }> {
  const { parsed } = body;
  if (typeof parsed === 'object' && parsed !== null) {
    const fields = new Map<string, unknown>(Object.entries(parsed));
    const all = (name: string): readonly string[] =>
      [fields.get(name)].flat().filter((one): one is string => typeof one === 'string');
    return { get: (name) => all(name)[0], all };
  }
  const form = await readForm(body);
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
    if (!call.principal) return this.anonymous();
    const refresh = call.query.get('offline_token') === 'true' ? await this.refresh(call.principal, header) : undefined;
    return this.issue(call.principal, this.asked(call, call.query.getAll('scope')), refresh);
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
    return this.issue(principal, this.asked(call, form.all('scope')), refresh);
  };

  private asked(call: Plain, texts: readonly string[]): AskedScopes {
    const { prefix, baseUrl, neighbours } = call;
    return askedScopes(texts, { prefix, baseUrl, neighbours, repository: this.parts.repository });
  }

  private async issue(principal: Principal, asked: AskedScopes, refresh: string | undefined): Promise<Reply> {
    const { lists } = asked;
    const session = await this.parts.manager.exchange(principal, PROTOCOL, asked.scopes, TTL, { empty: true, lists });
    return this.answer(session.token, session.ttl, asked.granted(session.scopes), refresh);
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
      scope: scopes.join(' '),
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
      if (error instanceof RegistryError && UNMADE.has(error.kind)) return undefined;
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
