import { type Accounts, notOffered } from '../../auth/accounts.js';
import type { Principal } from '../../auth/principal.js';
import type { TokenInfo } from '../../auth/user-state.js';
import { HTTP_STATUS, invalid, RegistryError } from '../../errors/registry-error.js';
import { empty, json, type Reply } from '../../http/reply.js';
import type { Call, RequestBody } from '../../http/route.js';
import type { Fields } from './fields.js';
import { fieldsOf, html, type LoginForm, loginPage } from './login-page.js';
import { codeOf, type NpmOneTimePasswords } from './one-time-password.js';
import type { NpmState } from './state.js';
import { grantOf } from './token-request.js';

type Of<V, B = unknown> = Call<V, B, NpmState>;
type Plain<B = unknown> = Of<Record<never, never>, B>;

const PROTOCOL = 'npm';

/** The fields of the login page. */
async function loginForm(body: RequestBody): Promise<LoginForm> {
  const get = await fieldsOf(body);
  const [name, password, code] = [get('name'), get('password'), get('code')];
  if (typeof name !== 'string' || typeof password !== 'string') throw invalid('name and password are missing');
  return { name, password, code: typeof code === 'string' ? code.trim() : '' };
}

export function principalOf(call: Pick<Plain, 'principal'>): Principal {
  if (!call.principal) throw new RegistryError('unauthenticated', 'authentication required');
  return call.principal;
}

const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** A token as npm lists it. Its text is not known here: `token` is what all tokens begin with. */
const listed = (info: TokenInfo): Fields => ({
  token: 'ent_',
  key: info.id,
  name: info.name,
  created: iso(info.created),
  updated: iso(info.lastUsed ?? info.created),
  expires: info.expires === undefined ? null : iso(info.expires),
  readonly: info.readonly,
  cidr_whitelist: info.cidr ?? null,
  bypass_2fa: info.automation === true,
});

export const emailOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** Users, tokens and logins, over whatever keeps the accounts. */
export class AccountHandlers {
  private readonly accounts: Accounts;
  private readonly otp: NpmOneTimePasswords;

  constructor(accounts: Accounts, otp: NpmOneTimePasswords) {
    this.accounts = accounts;
    this.otp = otp;
  }

  whoami = async (call: Plain): Promise<Reply> =>
    json({ username: (await this.accounts.whoami(principalOf(call))).name }, 'no-store');

  /** `npm login --auth-type=legacy`, `npm adduser`. A token that the request came with says nothing here. */
  loginLegacy = async (call: Of<{ readonly user: string }, Fields>): Promise<Reply> => {
    const { name, password, email } = call.body;
    if (name !== call.params.user) throw invalid('the name in the body is not the one in the path');
    if (typeof password !== 'string') throw invalid('password is missing');
    const mail = emailOf(email);
    const { token } = await this.accounts.login(call.params.user, password, {
      protocol: PROTOCOL,
      ...(mail === undefined ? {} : { email: mail }),
      code: codeOf(call),
    });
    const id = `org.couchdb.user:${call.params.user}`;
    return json({ ok: true, id, rev: '1', token }, 'no-store', { status: 201 });
  };

  user = async (call: Of<{ readonly user: string }>): Promise<Reply> => {
    const { user } = call.params;
    const id = await this.accounts.findUser(user);
    const profile = id === undefined ? undefined : await this.accounts.profile(id);
    if (id === undefined) throw new RegistryError('not_found', 'User not found');
    const { name, email = '' } = profile ?? { name: user };
    return json({ _id: `org.couchdb.user:${name}`, name, email, type: 'user', roles: [] }, 'no-store');
  };

  logout = async (call: Of<{ readonly token: string }>): Promise<Reply> => {
    await this.accounts.revokeToken(principalOf(call), call.params.token);
    return json({ ok: true }, 'no-store');
  };

  loginWeb = async (call: Plain<RequestBody>): Promise<Reply> => {
    await call.body.bytes();
    const session = await this.sessions().start(PROTOCOL);
    const at = (page: string, id: string): string => `${call.baseUrl}/-/v1/${page}/${id}`;
    return json({ loginUrl: at('login', session.login), doneUrl: at('done', session.done) }, 'no-store');
  };

  loginPage = async (call: Of<{ readonly session: string }>): Promise<Reply> => {
    const pending = (await this.sessions().pending(call.params.session, PROTOCOL)) !== undefined;
    return pending ? html(200, loginPage('ask')) : html(404, loginPage('over'));
  };

  loginConfirm = async (call: Of<{ readonly session: string }, RequestBody>): Promise<Reply> => {
    const { name, password, code } = await loginForm(call.body);
    try {
      await this.accounts.approveLogin(call.params.session, PROTOCOL, { name, password, code: code || undefined });
      return html(200, loginPage('done'));
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (error.code === 'otp') return html(403, loginPage('code'));
      if (error.kind === 'rate_limited') return html(429, loginPage('wait'), error.headers);
      // A 401 would make the browser ask for credentials in its own way.
      if (error.kind === 'unauthenticated') return html(403, loginPage('wrong'));
      if (error.kind === 'not_found' || error.kind === 'conflict') return html(HTTP_STATUS[error.kind], loginPage('over'));
      throw error;
    }
  };

  /** Without Retry-After the client would ask in a tight loop. */
  loginDone = async (call: Of<{ readonly session: string }>): Promise<Reply> => {
    const poll = await this.sessions().poll(call.params.session, PROTOCOL);
    if (poll.status === 'done') return json({ token: poll.token }, 'no-store');
    return json({}, 'no-store', { status: 202, headers: { 'Retry-After': String(poll.retryAfter) } });
  };

  tokens = async (call: Plain): Promise<Reply> => {
    const objects = (await this.accounts.listTokens(principalOf(call))).map(listed);
    return json({ objects, total: objects.length, urls: { next: null } }, 'no-store');
  };

  createToken = async (call: Plain<Fields>): Promise<Reply> => {
    const { password } = call.body;
    const request = grantOf(call.body);
    const made = await this.otp.asking(call, () =>
      this.accounts.createToken(principalOf(call), {
        ...request,
        protocol: PROTOCOL,
        code: codeOf(call),
        ...(typeof password === 'string' && password !== '' ? { password } : {}),
      }),
    );
    return json({ ...listed(made.info), token: made.token }, 'no-store', { status: 201 });
  };

  revokeToken = async (call: Of<{ readonly token: string }>): Promise<Reply> => {
    await this.accounts.revokeToken(principalOf(call), call.params.token);
    return empty(204);
  };

  private sessions(): NonNullable<Accounts['loginSessions']> {
    const { loginSessions } = this.accounts;
    if (!loginSessions) throw notOffered('Web login');
    return loginSessions;
  }
}
