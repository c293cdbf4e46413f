import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemRuntime } from '../../../ts/lib/clock.js';
import { shownBy } from './authenticator.js';
import { type Asked, BASE, type Registry, registry } from './rig.js';

const PASSWORD = 'correct horse';
let npm: Registry;
let skew = 0;
/** The next code of ann's app: time moves on one step, so that each is a new one. */
let url = '';
const now = () => Date.now() + skew;
const next = (): string => {
  skew += 30_000;
  return shownBy(url, now());
};

beforeEach(async () => {
  skew = 0;
  url = '';
  npm = await registry({ runtime: { ...systemRuntime, clock: { ...systemRuntime.clock, now } } });
});
afterEach(async () => {
  expect(npm.faults).toEqual([]);
  await npm.close();
});

const profile = (body: object, asked: Asked = {}) => npm.request('POST', '/-/npm/v1/user', { token: npm.token, ...asked, body });
const factor = (mode: string, asked: Asked = {}) => profile({ tfa: { password: PASSWORD, mode } }, asked);
const otp = (code: string): Asked => ({ headers: { 'npm-otp': code } });

/** `npm profile enable-2fa`. Answers the recovery codes. */
async function enable(mode: string): Promise<readonly string[]> {
  const begun = await factor(mode);
  expect(begun.status).toBe(200);
  url = begun.json.tfa;
  expect(url).toMatch(/^otpauth:\/\/totp\//);
  const done = await profile({ tfa: [shownBy(url, now())] });
  expect(done.status, done.text).toBe(200);
  return done.json.tfa;
}

const asks = ({ status, headers }: Awaited<ReturnType<typeof profile>>): boolean =>
  status === 401 && headers['www-authenticate'] === 'OTP';
const login = (asked: Asked = {}) =>
  npm.request('PUT', '/-/user/org.couchdb.user:ann', { ...asked, body: { name: 'ann', password: PASSWORD } });
const version = (at: number, asked: Asked = {}) => npm.publish({ name: 'pkg', version: `1.0.${at}` }, asked);

describe('npm 18: turning two-factor authentication on and off', () => {
  it('takes the password and a first code; the profile says so, pending before', async () => {
    const tfa = async () => (await npm.get('/-/npm/v1/user')).json.tfa;
    expect(await tfa()).toBe(false);
    expect((await profile({ tfa: { password: 'wrong', mode: 'auth-only' } })).status).toBe(401);
    expect((await profile({ tfa: { password: PASSWORD, mode: 'always' } })).status).toBe(400);
    expect((await profile({ tfa: ['123456'] })).status).toBe(400);
    url = (await factor('auth-only')).json.tfa;
    expect(await tfa()).toEqual({ mode: 'auth-only', pending: true });
    expect((await profile({ tfa: [shownBy(url, now() - 3_600_000)] })).status).toBe(400);
    expect((await login()).status).toBe(201);
    const codes = (await profile({ tfa: [shownBy(url, now())] })).json.tfa;
    expect(new Set(codes).size).toBe(10);
    expect(await tfa()).toEqual({ mode: 'auth-only', pending: false });
  });

  it('another mode and the end of it need a code each; a pending one ends without', async () => {
    await factor('auth-only');
    expect((await factor('disable')).json.tfa).toBe(false);
    await enable('auth-only');
    expect(asks(await factor('auth-and-writes'))).toBe(true);
    expect((await factor('auth-and-writes', otp(next()))).json.tfa).toEqual({ mode: 'auth-and-writes', pending: false });
    expect(asks(await factor('disable'))).toBe(true);
    expect((await factor('disable', otp(next()))).json.tfa).toBe(false);
    expect((await login()).status).toBe(201);
  });

  it('no secret and no recovery code lies in storage in clear', async () => {
    const codes = await enable('auth-and-writes');
    const secret = new URL(url).searchParams.get('secret') ?? '';
    let all = '';
    for (let after: string | undefined; ; ) {
      const page = await npm.driver.list('', after === undefined ? {} : { after });
      for (const { key } of page.objects) {
        const found = await npm.driver.read(key);
        if (found) all += await new Response(found.body as Uint8Array<ArrayBuffer>).text();
      }
      if (page.next === undefined) break;
      after = page.next;
    }
    expect(all).toContain('factor-on');
    for (const text of [secret, ...codes]) expect(all.toLowerCase().includes(text.toLowerCase())).toBe(false);
  });
});

describe('npm 18: logging in with a second factor', () => {
  it('asks for a code behind the right password, and takes each once', async () => {
    await enable('auth-only');
    expect(asks(await login())).toBe(true);
    expect(asks(await login(otp('000000')))).toBe(true);
    const code = next();
    expect((await login(otp(code))).status).toBe(201);
    expect(asks(await login(otp(code)))).toBe(true);
    const wrong = { body: { name: 'ann', password: 'wrong' }, ...otp(next()) };
    const refused = await npm.request('PUT', '/-/user/org.couchdb.user:ann', wrong);
    expect([refused.status, asks(refused)]).toEqual([401, false]);
  });

  it('a password by itself opens nothing, a token still does', async () => {
    await enable('auth-only');
    const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`ann:${password}`).toString('base64')}` });
    expect((await npm.request('GET', '/-/whoami', { headers: basic(PASSWORD) })).status).toBe(401);
    expect((await npm.request('GET', '/-/whoami', { headers: basic(npm.token) })).status).toBe(200);
  });

  it('a recovery code is good in the place of one, once', async () => {
    const [one = '', two = ''] = await enable('auth-only');
    expect((await login(otp(one))).status).toBe(201);
    expect(asks(await login(otp(one)))).toBe(true);
    expect((await login(otp(two.toUpperCase()))).status).toBe(201);
  });

  it('by browser: the page asks for it too', async () => {
    await enable('auth-only');
    const { loginUrl, doneUrl } = (await npm.request('POST', '/-/v1/login', { body: {} })).json;
    const [page, done] = [loginUrl, doneUrl].map((one: string) => one.slice(BASE.length)) as [string, string];
    expect((await npm.request('GET', page)).text).toContain('name="code"');
    const send = (fields: Record<string, string>) => npm.request('POST', page, { body: String(new URLSearchParams(fields)) });
    const without = await send({ name: 'ann', password: PASSWORD });
    expect([without.status, /one-time password is needed/.test(without.text)]).toEqual([403, true]);
    // A token is no way around it.
    expect((await send({ name: 'ann', password: npm.token })).status).toBe(403);
    expect((await npm.request('GET', done)).status).toBe(202);
    expect((await send({ name: 'ann', password: PASSWORD, code: next() })).status).toBe(200);
    expect((await npm.request('GET', done)).json.token).toMatch(/^ent_/);
  });

  it('too many wrong codes make everybody wait, the right code too; then it works again', async () => {
    await enable('auth-only');
    for (let turn = 0; turn < 5; turn += 1) expect(asks(await login(otp('000000')))).toBe(true);
    const blocked = await login(otp(shownBy(url, now() + 30_000)));
    expect(blocked.status).toBe(429);
    expect(Number(blocked.headers['retry-after'])).toBeGreaterThan(0);
    skew += Number(blocked.headers['retry-after']) * 1_000;
    expect((await login(otp(next()))).status).toBe(201);
    expect(asks(await login(otp('000000')))).toBe(true);
    expect((await login(otp(next()))).status).toBe(201);
  });

  it('64 at once with one code: one gets in', async () => {
    await enable('auth-only');
    const code = next();
    const answers = await Promise.all(Array.from({ length: 64 }, () => login(otp(code))));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });
});

describe('npm 18: changing things with a second factor', () => {
  it('auth-and-writes: every change of a package is asked for a code, 401 `OTP`, and goes through with one', async () => {
    await version(0);
    await enable('auth-and-writes');
    const before = (await npm.get('/pkg')).json;
    const refused = await version(1);
    expect(asks(refused)).toBe(true);
    expect(refused.text).toContain('one-time pass');
    expect((await version(1, otp(next()))).status).toBe(201);
    const tag = (asked: Asked = {}) => npm.put('/-/package/pkg/dist-tags/beta', '"1.0.0"', asked);
    const json = { 'content-type': 'application/json' };
    expect(asks(await tag({ headers: json }))).toBe(true);
    expect((await tag({ headers: { ...json, 'npm-otp': next() } })).status).toBe(201);
    const changes = [
      (asked: Asked) => npm.put('/pkg', { ...before, _rev: undefined, versions: { '1.0.0': { deprecated: 'old' } } }, asked),
      (asked: Asked) =>
        npm.request('POST', '/-/package/pkg/access', { token: npm.token, ...asked, body: { access: 'restricted' } }),
      async (asked: Asked) => {
        const { _rev } = (await npm.get('/pkg?write=true')).json;
        return npm.put(`/pkg/-rev/${_rev}`, { versions: { '1.0.0': {} } }, asked);
      },
      async (asked: Asked) => {
        const { _rev } = (await npm.get('/pkg?write=true')).json;
        return npm.request('DELETE', `/pkg/-rev/${_rev}`, { token: npm.token, ...asked });
      },
    ];
    for (const change of changes) {
      expect(asks(await change({}))).toBe(true);
      expect((await change(otp(next()))).status).toBeOneOf([200, 201]);
    }
  });

  it('auth-only: changes of packages need none, those of the account do', async () => {
    await enable('auth-only');
    expect((await version(0)).status).toBe(201);
    const create = (asked: Asked = {}) =>
      npm.request('POST', '/-/npm/v1/tokens', { token: npm.token, ...asked, body: { password: PASSWORD } });
    expect(asks(await create())).toBe(true);
    expect((await create(otp(next()))).status).toBe(201);
    expect(asks(await profile({ email: 'new@mail.example' }))).toBe(true);
    expect((await profile({ email: 'new@mail.example' }, otp(next()))).json.email).toBe('new@mail.example');
    const password = { password: { old: PASSWORD, new: 'another horse, correct' } };
    expect(asks(await profile(password))).toBe(true);
    expect((await profile(password, otp(next()))).status).toBe(200);
  });

  it('both halves of an unpublish go through with one code', async () => {
    await version(0);
    await version(1);
    await enable('auth-and-writes');
    const code = otp(next());
    const { _rev } = (await npm.get('/pkg?write=true')).json;
    const first = await npm.put(`/pkg/-rev/${_rev}`, { versions: { '1.0.0': {} } }, code);
    expect(first.status).toBe(201);
    const second = await npm.request('DELETE', `/pkg/-/pkg-1.0.1.tgz/-rev/${first.json.rev}`, { token: npm.token, ...code });
    expect(second.status).toBe(200);
    const { _rev: rev } = (await npm.get('/pkg?write=true')).json;
    const other = await npm.request('DELETE', `/pkg/-/pkg-1.0.0.tgz/-rev/${rev}`, { token: npm.token, ...code });
    expect(asks(other)).toBe(true);
  });

  it('a refused publish leaves no object behind', async () => {
    await enable('auth-and-writes');
    expect(asks(await version(0))).toBe(true);
    const { objects } = await npm.driver.list('objects/');
    expect(objects).toEqual([]);
  });

  it('web OTP: authUrl and doneUrl where the client can do that; what doneUrl gives is good once, for this user', async () => {
    await version(0);
    await enable('auth-and-writes');
    const web = { 'npm-auth-type': 'web' };
    expect((await version(1)).json.authUrl).toBeUndefined();
    const refused = await version(1, { headers: web });
    expect(asks(refused)).toBe(true);
    const [page, done] = [refused.json.authUrl, refused.json.doneUrl].map((one: string) => one.slice(BASE.length)) as [
      string,
      string,
    ];
    const pending = await npm.request('GET', done);
    expect([pending.status, Number(pending.headers['retry-after']) > 0]).toEqual([202, true]);
    expect((await npm.request('GET', page)).text).toMatch(/<form method="post">/);
    const send = (code: string) => npm.request('POST', page, { body: String(new URLSearchParams({ code })) });
    expect((await send('000000')).status).toBe(403);
    // Without a code of the user, the client's own text is no password.
    expect(asks(await version(1, otp(done.split('/').at(-1) ?? '')))).toBe(true);
    expect((await send(next())).status).toBe(200);
    expect((await send(next())).status).toBe(409);
    expect((await npm.request('GET', page)).status).toBe(404);
    const { token } = (await npm.request('GET', done)).json;
    expect((await version(1, { headers: { ...web, 'npm-otp': token } })).status).toBe(201);
    expect(asks(await version(2, otp(token)))).toBe(true);
    expect((await npm.request('GET', done)).status).toBe(404);
    skew += 3_600_000;
    expect((await npm.request('GET', page)).status).toBe(404);
  });

  it('a token made for machines changes packages without a code, never the account', async () => {
    const create = (body: object, asked: Asked = {}) =>
      npm.request('POST', '/-/npm/v1/tokens', { token: npm.token, ...asked, body });
    expect((await create({ bypass_2fa: true })).status).toBe(403);
    await enable('auth-and-writes');
    expect(asks(await create({ bypass_2fa: true }))).toBe(true);
    const made = (await create({ bypass_2fa: true, name: 'ci' }, otp(next()))).json;
    expect(made.bypass_2fa).toBe(true);
    expect((await version(0, { token: made.token })).status).toBe(201);
    expect(asks(await create({ password: PASSWORD }, { token: made.token }))).toBe(true);
    expect(asks(await create({ bypass_2fa: true }, { token: made.token }))).toBe(true);
    // One made with it is a person's again.
    const child = (await create({}, { token: made.token })).json;
    expect(child.bypass_2fa).toBe(false);
    expect(asks(await version(1, { token: child.token }))).toBe(true);
  });
});

describe('npm 18, npm 15: access set mfa', () => {
  const set = (body: object, asked: Asked = {}) =>
    npm.request('POST', '/-/package/pkg/access', { token: npm.token, ...asked, body });
  const PUBLISH = { publish_requires_tfa: true, automation_token_overrides_tfa: false };
  const AUTOMATION = { publish_requires_tfa: true, automation_token_overrides_tfa: true };

  it('asks every owner for a code, and refuses those who have none; `automation` lets tokens for machines pass', async () => {
    await version(0);
    expect((await set(PUBLISH)).status).toBe(403);
    await enable('auth-only');
    const machine = (
      await npm.request('POST', '/-/npm/v1/tokens', { token: npm.token, ...otp(next()), body: { bypass_2fa: true } })
    ).json.token;
    const bob = await npm.user('bob');
    const { _rev } = (await npm.get('/pkg?write=true')).json;
    await npm.put(`/pkg/-rev/${_rev}`, { maintainers: [{ name: 'ann' }, { name: 'bob' }] });
    expect((await version(1, { token: bob })).status).toBe(201);

    expect((await set(PUBLISH)).status).toBe(200);
    expect(asks(await version(2))).toBe(true);
    expect(asks(await version(2, { token: machine }))).toBe(true);
    expect((await version(2, { token: machine, ...otp(next()) })).status).toBe(201);
    const noFactor = await version(3, { token: bob });
    expect([noFactor.status, /two-factor/.test(noFactor.text)]).toEqual([403, true]);
    expect(asks(await set(AUTOMATION))).toBe(true);
    expect((await set(AUTOMATION, otp(next()))).status).toBe(200);
    expect((await version(3, { token: machine })).status).toBe(201);
    expect(asks(await version(4))).toBe(true);
    expect((await version(4, { token: bob })).status).toBe(403);
    expect((await npm.put('/pkg', { users: { bob: true } }, { token: bob })).status).toBe(200);
    expect((await set({ publish_requires_tfa: false }, otp(next()))).status).toBe(200);
    expect((await version(4, { token: bob })).status).toBe(201);
    expect((await set({ publish_requires_tfa: 'yes' })).status).toBe(400);
  });
});
