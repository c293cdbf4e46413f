import { request } from 'node:http';
import { afterEach, expect, it, vi } from 'vitest';
import type { IStorageHookContext } from '../../ts/packages/hooks.js';
import { PROTOCOL_TABLE } from '../../ts/protocols/index.js';
import { readOptions } from '../../ts/server/options.js';
import { type RunningServer, serve } from '../../ts/server/serve.js';
import { readWhole } from '../../ts/storage/abilities.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { documentOf } from './documents.js';
import { allKeys, SECRET } from './house.js';
import { ociSlots } from './oci-secret-slots.js';

let server: RunningServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
  vi.restoreAllMocks();
});

const CANARY = 'CanarySecret0Q7zXk93vB';
const ADMIN = 'Tn5-wY2b.Xc8-Fv4m.Jr6-Pk9d.Ls3-Gh7q';
const FORMS = [
  CANARY,
  Buffer.from(CANARY).toString('base64'),
  Buffer.from(`user:${CANARY}`).toString('base64'),
  encodeURIComponent(`${CANARY}!`),
];
const canaryIn = (text: string): string | undefined =>
  FORMS.find((form) => text.includes(form) || text.toLowerCase().includes(form.toLowerCase()));

interface Sent {
  readonly title: string;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const json = { 'content-type': 'application/json' };
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
const admin = { authorization: `Bearer ${ADMIN}` };

/** A secret in every place where people put one. */
const SLOTS: readonly Sent[] = [
  { title: 'Bearer', path: '/npm/sound', headers: { authorization: `Bearer ${CANARY}` } },
  { title: 'Bearer that looks like ours', path: '/npm/sound', headers: { authorization: `Bearer ent_${CANARY}_${CANARY}` } },
  { title: 'Bearer that looks like a JWT', path: '/npm/sound', headers: { authorization: `Bearer eyJ${CANARY}.${CANARY}.x` } },
  { title: 'a bare token', path: '/npm/sound', headers: { authorization: CANARY } },
  { title: 'a malformed header', path: '/npm/sound', headers: { authorization: `Bearer ${CANARY} ${CANARY}` } },
  { title: 'Basic, password', path: '/npm/sound', headers: { authorization: basic(`user:${CANARY}`) } },
  { title: 'Basic, user', path: '/npm/sound', headers: { authorization: basic(`${CANARY}:`) } },
  { title: 'Basic, no colon', path: '/npm/sound', headers: { authorization: basic(CANARY) } },
  { title: 'query', path: `/npm/sound?token=${CANARY}&_authToken=${CANARY}` },
  { title: 'query behind a bad path', path: `/npm/%zz?token=${CANARY}` },
  { title: 'query of no mount', path: `/nowhere?token=${CANARY}` },
  { title: 'fragment', path: `/npm/sound#${CANARY}` },
  { title: 'user information', path: `http://user:${CANARY}@registry.example/npm/sound` },
  { title: 'user information, no mount', path: `http://user:${CANARY}@registry.example/nowhere` },
  { title: 'Cookie', path: '/npm/sound', headers: { cookie: `session=${CANARY}` } },
  {
    title: 'other headers',
    path: '/npm/sound',
    headers: { 'npm-otp': CANARY, 'x-api-key': CANARY, 'proxy-authorization': basic(`user:${CANARY}`) },
  },
  { title: 'Host', path: '/npm/sound', headers: { host: `user:${CANARY}@registry.example` } },
  { title: 'logout', method: 'DELETE', path: `/npm/-/user/token/${CANARY}`, headers: admin },
  { title: 'logout, encoded', method: 'DELETE', path: `/npm/-/user/token/%43${CANARY.slice(1)}`, headers: admin },
  { title: 'logout, an encoded route', method: 'DELETE', path: `/npm/-/us%65r/t%6Fken/${CANARY}`, headers: admin },
  { title: 'logout, two slashes', method: 'DELETE', path: `/npm//-/user/token/${CANARY}`, headers: admin },
  { title: 'logout, nobody', method: 'DELETE', path: `/npm/-/user/token/${CANARY}` },
  { title: 'revocation', method: 'DELETE', path: `/npm/-/npm/v1/tokens/token/${CANARY}`, headers: admin },
  { title: 'revocation in the house', method: 'DELETE', path: `/-/api/v1/tokens/${CANARY}`, headers: admin },
  { title: 'web login, page', path: `/npm/-/v1/login/${CANARY}` },
  { title: 'web login, done', path: `/npm/-/v1/done/${CANARY}` },
  { title: 'one-time password by browser, page', path: `/npm/-/v1/confirm/${CANARY}` },
  { title: 'one-time password by browser, done', path: `/npm/-/v1/confirmed/${CANARY}` },
  {
    title: 'one-time password by browser, confirmation',
    method: 'POST',
    path: '/npm/-/v1/confirm/junk',
    body: `code=${CANARY}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  },
  {
    title: 'a first one-time password',
    method: 'POST',
    path: '/npm/-/npm/v1/user',
    body: { tfa: [CANARY] },
    headers: { ...json, ...admin },
  },
  {
    title: 'an identity token',
    method: 'POST',
    path: '/-/npm/v1/oidc/token/exchange/package/sound',
    headers: { authorization: `Bearer ${CANARY}` },
  },
  {
    title: 'web login, confirmation',
    method: 'POST',
    path: '/npm/-/v1/login/junk',
    body: `name=ann&password=${CANARY}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  },
  {
    title: 'login',
    method: 'PUT',
    path: '/npm/-/user/org.couchdb.user:admin',
    body: { name: 'admin', password: CANARY },
    headers: json,
  },
  {
    title: 'login, malformed',
    method: 'PUT',
    path: '/npm/-/user/org.couchdb.user:admin',
    body: `{"name":"admin","password":"${CANARY}"`,
    headers: json,
  },
  {
    title: 'login, password of a wrong kind',
    method: 'PUT',
    path: '/npm/-/user/org.couchdb.user:admin',
    body: { name: 'admin', password: { x: CANARY } },
    headers: json,
  },
  {
    title: 'a new token with a password',
    method: 'POST',
    path: '/npm/-/npm/v1/tokens',
    body: { password: CANARY },
    headers: { ...json, ...admin },
  },
  {
    title: 'a new password',
    method: 'POST',
    path: '/npm/-/npm/v1/user',
    body: { password: { old: CANARY, new: CANARY } },
    headers: { ...json, ...admin },
  },
  {
    title: 'a profile',
    method: 'POST',
    path: '/npm/-/npm/v1/user',
    body: { tfa: { password: CANARY, mode: 'auth-only' } },
    headers: { ...json, ...admin },
  },
  { title: 'a body of no route', method: 'POST', path: '/npm/-/v1/search', body: { token: CANARY }, headers: json },
  {
    title: 'a body that is no JSON',
    method: 'PUT',
    path: '/npm/-/package/sound/dist-tags/x',
    body: CANARY,
    headers: { ...json, ...admin },
  },
  {
    title: 'a document with members of its own',
    method: 'PUT',
    path: '/npm/guarded',
    body: { ...documentOf({ name: 'guarded', version: '1.0.0' }), _authToken: CANARY, _password: CANARY },
    headers: { ...json, ...admin, 'npm-otp': CANARY, cookie: CANARY },
  },
  {
    title: 'a read with everything',
    path: `/npm/guarded/-/guarded-1.0.0.tgz?token=${CANARY}`,
    headers: { ...admin, cookie: CANARY, 'npm-otp': CANARY },
  },
  ...ociSlots(CANARY, admin),
];

const ask = (url: string, { method = 'GET', path, headers = {}, body }: Sent): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const req = request({ hostname, port, method, path, headers }, (res) => {
      const parts: Buffer[] = [];
      res.on('data', (part: Buffer) => parts.push(part));
      res.once('end', () =>
        resolve({
          status: res.statusCode ?? 0,
          text: `${JSON.stringify(res.rawHeaders)} ${Buffer.concat(parts).toString('latin1')}`,
        }),
      );
    });
    req.once('error', reject);
    req.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  });

const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
if (!WHOLE) console.log('skipped: secrets in a log for people; REQUIRE_CLIENTS=1 plants them there too');

it.each(WHOLE ? (['json', 'text'] as const) : (['json'] as const))(
  'L1, INV11: a secret in any place is in no log line (%s), answer, hook or stored byte',
  { timeout: 120_000 },
  async (logFormat) => {
    const driver = new SynchronousMemoryDriver();
    const heard: IStorageHookContext[] = [];
    const hear = async (context: IStorageHookContext): Promise<void> => void heard.push(context);
    const allow = async (context: IStorageHookContext): Promise<{ allowed: boolean }> => {
      await hear(context);
      return { allowed: true };
    };
    const lines: string[] = [];
    for (const stream of [process.stdout, process.stderr]) {
      vi.spyOn(stream, 'write').mockImplementation((chunk) => {
        lines.push(String(chunk));
        return true;
      });
    }
    for (const name of ['log', 'warn', 'error'] as const)
      vi.spyOn(console, name).mockImplementation((...args) => void lines.push(args.map(String).join(' ')));
    const options = readOptions({
      flags: { port: '0', storage: 'memory:', 'log-level': 'debug', 'log-format': logFormat },
      env: { ENTREPOT_SECRET: SECRET, ENTREPOT_ADMIN_TOKEN: ADMIN },
      protocols: PROTOCOL_TABLE,
    });
    const storageHooks = {
      beforePut: allow,
      afterPut: hear,
      beforeGet: allow,
      afterGet: hear,
      beforeDelete: allow,
      afterDelete: hear,
    };
    server = await serve(
      { ...options, registry: { ...options.registry, storage: driver, storageHooks, anonymousRead: '*' } },
      { write: (line) => void lines.push(line) },
    );
    const { url } = server;
    await ask(url, {
      title: '',
      method: 'PUT',
      path: '/npm/sound',
      body: documentOf({ name: 'sound', version: '1.0.0', access: 'public' }),
      headers: { ...json, ...admin },
    });
    const leaks: string[] = [];
    for (const slot of SLOTS) {
      const before = lines.length;
      const { status, text } = await ask(url, slot);
      await new Promise((resolve) => setImmediate(resolve));
      if (status >= 500) leaks.push(`${slot.title}: ${status}`);
      if (canaryIn(text)) leaks.push(`${slot.title}: the answer: ${text}`);
      const told = lines.slice(before).find((line) => canaryIn(line));
      if (told) leaks.push(`${slot.title}: the log: ${told}`);
    }
    expect(lines.length).toBeGreaterThan(SLOTS.length);
    expect(heard.length).toBeGreaterThan(2);
    expect(leaks).toEqual([]);
    const metrics = await ask(url, { title: 'metrics', path: '/-/metrics', headers: admin });
    expect(canaryIn(metrics.text)).toBeUndefined();
    await server.stop();
    expect(lines.find((line) => canaryIn(line) ?? line.includes(ADMIN))).toBeUndefined();
    expect(canaryIn(JSON.stringify(heard)) ?? JSON.stringify(heard).includes(ADMIN)).toBe(false);
    const keys = await allKeys(driver);
    expect(keys.length).toBeGreaterThan(5);
    for (const key of keys) {
      const stored = Buffer.from((await readWhole(driver, key, 1e7))?.bytes ?? []).toString('latin1');
      for (const secret of [ADMIN, SECRET]) expect(stored.includes(secret), `A9: ${key}`).toBe(false);
      expect(canaryIn(stored) ?? canaryIn(key), key).toBeUndefined();
    }
  },
);
