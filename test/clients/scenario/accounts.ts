import { expect, it } from 'vitest';
import { refused, worked } from '../processes.js';
import { lacks, onPath } from '../programs.js';
import type { Sandbox } from '../sandbox.js';
import { atTerminal, browser } from '../terminal.js';
import { ask, inFull, PASSWORD, type Rig } from './rig.js';

const tokenIn = (machine: Sandbox): string | undefined => /_authToken=(.*)$/m.exec(machine.read('.npmrc'))?.[1];

/** Who somebody is, and with which tokens. */
export function accounts(rig: () => Rig): void {
  const noTerminal = lacks('expect', onPath('expect'));

  it.skipIf(noTerminal)('npm 16: legacy login, whoami, logout; a token that was logged out is void', async () => {
    const { machine, site } = rig();
    const bob = machine();
    expect(refused(await bob.npm(['whoami'])).err).toMatch(/ENEEDAUTH|E401/);
    const script = ['expect "sername:"', 'send "bob\\r"', 'expect "assword:"', `send "${PASSWORD}\\r"`];
    worked(await (await atTerminal(bob, script))('login', '--auth-type=legacy'));
    expect((await bob.out(['whoami'])).trim()).toBe('bob');
    const token = tokenIn(bob);
    expect(token).toMatch(/^ent_/);
    await bob.out(['logout']);
    expect(tokenIn(bob)).toBeUndefined();
    expect((await ask(site, '-/whoami', token)).status).toBe(401);
  });

  (noTerminal ? it.skip : inFull)('npm 16: a wrong password is refused with a text, and no token is kept', async () => {
    const { machine } = rig();
    const bob = machine();
    const script = ['expect "sername:"', 'send "bob\\r"', 'expect "assword:"', 'send "guessed\\r"'];
    const wrong = refused(await (await atTerminal(bob, script))('login', '--auth-type=legacy'));
    expect(wrong.all).toMatch(/ncorrect or missing password/);
    expect(tokenIn(bob)).toBeUndefined();
  });

  (noTerminal ? it.skip : inFull)('npm 16: web login through a browser', async () => {
    const { machine, site } = rig();
    const carol = machine();
    const path = browser(carol, { name: 'carol', password: PASSWORD });
    const script = ['expect "ENTER"', 'send "\\r"'];
    worked(await (await atTerminal(carol, script, path))('login', '--auth-type=web'));
    expect((await carol.out(['whoami'])).trim()).toBe('carol');
    const polls = site.requests().filter(({ route }) => route === 'login-done');
    expect(polls.filter(({ status }) => status !== 202).map(({ status }) => status)).toEqual([200]);
    expect(polls.length).toBeLessThan(20);
  });

  inFull('npm 17: token create, list, revoke; a read-only one cannot publish', async () => {
    const { bob, machine, site } = rig();
    const permission = '--packages-and-scopes-permission=read-only';
    const asked = ['token', 'create', '--name=reader', permission, `--password=${PASSWORD}`, '--json'];
    const created = worked(await bob.npm(asked));
    const { token } = JSON.parse(created.out) as { token: string };
    expect(token).toMatch(/^ent_/);
    const reader = machine(token);
    expect((await reader.out(['whoami'])).trim()).toBe('bob');
    expect(await reader.json(['view', 'plain', 'version'])).toBe('1.0.0');
    const no = refused(await reader.npm(['publish'], reader.package({ name: 'by-a-reader', version: '1.0.0' })));
    expect(no.err).toMatch(/E403|403/);
    const listed = await bob.json<readonly { key: string; readonly: boolean }[]>(['token', 'list']);
    const readers = listed.filter(({ readonly }) => readonly);
    expect(readers).toHaveLength(1);
    await bob.out(['token', 'revoke', readers[0]?.key ?? '']);
    expect((await ask(site, '-/whoami', token)).status).toBe(401);
    expect(refused(await reader.npm(['whoami'])).err).toMatch(/E401|401/);
  });

  inFull('npm 15: access get, set and list; a restricted package does not exist for strangers', async () => {
    const { bob, carol, site } = rig();
    await bob.publish({ name: '@team/hidden', version: '1.0.0' });
    expect((await bob.out(['access', 'get', 'status', '@team/hidden'])).trim()).toBe('@team/hidden: private');
    expect((await ask(site, '@team%2fhidden', '')).status).toBeOneOf([401, 404]);
    await bob.out(['access', 'set', 'status=public', '@team/hidden']);
    expect((await bob.out(['access', 'get', 'status', '@team/hidden'])).trim()).toBe('@team/hidden: public');
    expect(refused(await carol.npm(['access', 'set', 'status=private', '@team/hidden'])).err).toContain('403');
    expect(await bob.json(['access', 'list', 'packages', 'bob'])).toMatchObject({ '@team/hidden': 'read-write' });
    expect(await bob.json(['access', 'list', 'collaborators', '@team/hidden'])).toEqual({ bob: 'read-write' });
  });

  inFull('npm 16: profile get, and a new password', async () => {
    const { carol, machine, site } = rig();
    expect(await carol.json(['profile', 'get'])).toMatchObject({ name: 'carol', email: 'carol@people.example', tfa: false });
    await carol.out(['profile', 'set', 'email', 'new@people.example']);
    expect(await carol.json(['profile', 'get'])).toMatchObject({ email: 'new@people.example' });
    if (noTerminal) return;
    const next = 'another password, also long';
    const prompts = [
      ['urrent password:', PASSWORD],
      ['ew password:', next],
      ['gain:', next],
    ].flatMap(([prompt, answer]) => [`expect "${prompt}"`, `send "${answer}\\r"`]);
    worked(await (await atTerminal(carol, prompts))('profile', 'set', 'password'));
    const login = (password: string) =>
      ask(site, '-/user/org.couchdb.user:carol', '', {
        method: 'PUT',
        body: JSON.stringify({ _id: 'org.couchdb.user:carol', name: 'carol', password, type: 'user', roles: [] }),
        headers: { 'content-type': 'application/json' },
      });
    expect((await login(PASSWORD)).status).toBe(401);
    expect((await login(next)).status).toBe(201);
    expect(refused(await machine('ent_nonsense').npm(['profile', 'get'])).err).toMatch(/E401|401/);
  });
}
