import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shownBy } from '../protocols/npm/authenticator.js';
import { bearer, run, scratch, serveHere } from './launch.js';
import { publish } from './publish.js';

async function shop() {
  const storage = ['--storage', `file:${scratch()}`] as const;
  const server = await serveHere({ storage: storage[1] });
  const entrepot = async (...args: string[]) => {
    const { code, out, err } = await run([...args, ...storage, '--json']);
    expect(err).toBe('');
    expect(code).toBe(0);
    return out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  };
  const ask = async (path: string, token = server.token, init: RequestInit = {}) => {
    const response = await fetch(server.url + path, { ...init, headers: bearer(token) });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return { storage, server, entrepot, ask };
}

describe('commands beside a running server', () => {
  it('make users and tokens that work at once, and void them at once', async () => {
    const { entrepot, ask, storage } = await shop();
    const added = await run(['user', 'add', 'bob', '--password-stdin', ...storage], {}, 'a-long-enough-password\n');
    expect(added).toMatchObject({ code: 0, out: 'added bob\n', err: '' });
    const [made] = await entrepot('token', 'create', 'bob', '--name', 'ci', '--readonly');
    expect((await ask('/npm/-/whoami', made.token)).body).toEqual({ username: 'bob' });
    const [tokens] = await entrepot('token', 'list', 'bob');
    expect(tokens).toMatchObject([{ id: made.id, name: 'ci', readonly: true }]);
    expect(JSON.stringify(tokens)).not.toContain(made.token);
    await entrepot('token', 'revoke', 'bob', made.id);
    expect((await ask('/npm/-/whoami', made.token)).status).toBe(401);
    expect((await entrepot('user', 'list'))[0].map(({ name }: { name: string }) => name)).toEqual(['admin', 'bob']);
  });

  it('npm 18: end the two-factor authentication of somebody who has lost it, and make tokens for machines', async () => {
    const { server, entrepot, storage } = await shop();
    const password = 'a-long-enough-password';
    await run(['user', 'add', 'bob', '--password-stdin', ...storage], {}, `${password}\n`);
    const [{ token }] = await entrepot('token', 'create', 'bob');
    const profile = async (body: object) => {
      const headers = { ...bearer(token), 'content-type': 'application/json' };
      const answer = await fetch(`${server.url}/npm/-/npm/v1/user`, { method: 'POST', headers, body: JSON.stringify(body) });
      return { status: answer.status, tfa: ((await answer.json()) as { tfa?: unknown }).tfa };
    };
    const { tfa } = await profile({ tfa: { password, mode: 'auth-and-writes' } });
    expect((await profile({ tfa: [shownBy(String(tfa), Date.now())] })).status).toBe(200);
    await expect(publish(`${server.url}/npm`, token, 'guarded', '1.0.0')).rejects.toThrow(/^publish: 401/);
    const [machine] = await entrepot('token', 'create', 'bob', '--automation');
    expect(machine.automation).toBe(true);
    await publish(`${server.url}/npm`, machine.token, 'guarded', '1.0.0');
    await entrepot('user', 'disable-2fa', 'bob');
    await publish(`${server.url}/npm`, token, 'guarded', '1.1.0');
    expect((await run(['user', 'disable-2fa', 'bob', ...storage])).err).toMatch(/two-factor authentication of bob not found/);
  });

  it('limit a token as they are told', async () => {
    const { entrepot, server, ask } = await shop();
    await entrepot('user', 'add', 'ci');
    const [made] = await entrepot(
      'token',
      'create',
      'ci',
      '--scope',
      'npm:package:@team/*:write',
      '--scope',
      'npm:package:*:read',
      '--ttl',
      '60',
    );
    await publish(`${server.url}/npm`, made.token, '@team/tool', '1.0.0');
    await expect(publish(`${server.url}/npm`, made.token, 'other', '1.0.0')).rejects.toThrow(/^publish: 403/);
    expect((await ask('/npm/@team%2ftool', made.token)).status).toBe(200);
  });

  it('list, yank, restore and delete what the server serves', async () => {
    const { entrepot, server, ask } = await shop();
    await publish(`${server.url}/npm`, server.token, '@acme/hello', '1.0.0', 'public');
    await publish(`${server.url}/npm`, server.token, '@acme/hello', '1.1.0');
    expect(await entrepot('list')).toEqual([
      [
        { name: 'oci', protocol: 'oci', path: '/oci/' },
        { name: 'npm', protocol: 'npm', path: '/npm/' },
      ],
    ]);
    expect((await entrepot('list', 'npm'))[0]).toMatchObject([{ name: '@acme/hello', visibility: 'public' }]);
    const versions = async () => (await ask('/npm/@acme%2fhello')).body['versions'] as Record<string, { deprecated?: string }>;

    await entrepot('yank', 'npm', '@acme/hello', '1.0.0', '--reason', 'do not use');
    expect((await versions())['1.0.0']?.deprecated).toBe('do not use');
    const [shown] = await entrepot('list', 'npm', '@acme/hello');
    expect([shown.owners, shown.rows[0].publishedBy]).toEqual([['admin'], 'admin']);
    expect(shown.rows.map(({ version, status }: Record<string, string>) => [version, status])).toEqual([
      ['1.0.0', 'yanked'],
      ['1.1.0', 'published'],
    ]);
    await entrepot('yank', 'npm', '@acme/hello', '1.0.0', '--undo');
    expect((await versions())['1.0.0']?.deprecated).toBeUndefined();

    await entrepot('delete', 'npm', '@acme/hello', '1.1.0');
    expect(Object.keys(await versions())).toEqual(['1.0.0']);
    expect((await ask('/npm/@acme%2fhello')).body['dist-tags']).toEqual({ latest: '1.0.0' });
    const types = (await entrepot('history', 'npm', '@acme/hello')).map(({ type, by }) => `${type} ${by}`);
    expect(types).toEqual([
      'publish admin',
      'visibility admin',
      'publish admin',
      'status system',
      'status system',
      'delete system',
      'tag system',
    ]);
    await entrepot('delete', 'npm', '@acme/hello');
    expect((await ask('/npm/@acme%2fhello')).status).toBe(404);
  });

  it('collect and verify', async () => {
    const { entrepot, server, storage } = await shop();
    await publish(`${server.url}/npm`, server.token, 'left', '1.0.0');
    expect(await entrepot('gc', '--dry-run')).toMatchObject([
      [
        { repository: 'oci', objects: 0, condemned: 0 },
        { repository: 'npm', objects: 1, condemned: 0 },
      ],
    ]);
    expect(await entrepot('verify')).toMatchObject([{ problems: 0, objects: 1 }]);
    const { readdirSync } = await import('node:fs');
    const objects = join(storage[1].slice('file:'.length), 'objects');
    const [object = ''] = readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.split('/').length === 3,
    );
    writeFileSync(join(objects, object), 'other bytes');
    const damaged = await run(['verify', ...storage, '--json']);
    expect(damaged.code).toBe(1);
    expect(damaged.out).toMatch(/object-differs/);
  });
});

describe('commands that cannot be', () => {
  it.each([
    [['lisst'], 2, /no such command: lisst; did you mean list\?/],
    [['user'], 2, /no such command: user; user takes add, disable-2fa, list/],
    [['token', 'lst', 'bob'], 2, /no such command: token lst; token takes create, list, revoke/],
    [['yank', 'npm'], 1, /usage: entrepot yank REPO NAME VERSION/],
    [['list', '--storage', 'memory:'], 1, /memory: is empty in every process/],
    [['token', 'create', 'x', '--ttl', 'long'], 1, /--ttl: must be a number of seconds/],
    [['user', 'add', 'bob', '--adimn'], 1, /--adimn: no such option; did you mean --admin\?/],
  ])('%j', async (args, code, message) => {
    const found = await run([...args, ...(args.includes('--storage') ? [] : ['--storage', `file:${scratch()}`])]);
    expect(found.code).toBe(code);
    expect(found.err).toMatch(message);
    expect(found.out).toBe('');
  });

  it('say what is not there', async () => {
    const storage = ['--storage', `file:${scratch()}`];
    expect(await run(['token', 'create', 'nobody', ...storage])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/user nobody not found\n$/),
    });
    expect(await run(['list', 'nothing', ...storage])).toMatchObject({
      code: 1,
      err: 'entrepot: repository nothing not found\n',
    });
    expect(await run(['history', 'npm', 'nothing', ...storage])).toMatchObject({
      code: 1,
      err: 'entrepot: package nothing not found\n',
    });
  });

  it('show the token of the administrator whom they had to make', async () => {
    const storage = ['--storage', `file:${scratch()}`];
    const first = await run(['list', ...storage]);
    expect(first.err).toMatch(/shown this once: ent_/);
    expect((await run(['list', ...storage])).err).toBe('');
  });
});

describe('help', () => {
  it('lists commands, and the options of serve with their environment and defaults', async () => {
    expect((await run(['-h'])).out).toMatch(/usage: entrepot COMMAND/);
    const { out, code } = await run(['serve', '--help']);
    expect(code).toBe(0);
    for (const text of [
      '--port',
      'ENTREPOT_STORAGE',
      'file:./data',
      'ENTREPOT_SECRET',
      'ENTREPOT_ADMIN_TOKEN',
      'LOG_FORMAT',
      '[8080]',
      '[127.0.0.1]',
    ])
      expect(out).toContain(text);
    expect((await run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await run([])).code).toBe(2);
  });
});
