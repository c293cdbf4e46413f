import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { SCRIPTS } from '../../../ts/server/ui-shell.js';
import { importsOf } from '../../architecture/read-source.js';
import { startServer } from '../launch.js';
import { BUILT, behind, type Served, served } from './rig.js';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FILES = ['', 'style.css', ...SCRIPTS];

let house: Served;
beforeAll(async () => {
  house = await served();
});

describe('the files of the web page', () => {
  it.each(FILES)('/-/ui/%s goes to anybody, with a policy that lets in nothing from elsewhere', async (name) => {
    const answer = await house.ask('GET', `/-/ui/${name}`);
    expect(answer.status).toBe(200);
    const headers = Object.fromEntries(answer.headers);
    expect(headers).toMatchObject({
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'public, no-cache',
    });
    const type = name === '' ? 'text/html' : name.endsWith('.css') ? 'text/css' : 'text/javascript';
    expect(headers['content-type']).toBe(`${type}; charset=utf-8`);
    expect(headers['set-cookie']).toBeUndefined();
  });

  it.each(FILES)('/-/ui/%s: HEAD, 304 and ready-made gzip', async (name) => {
    const path = `/-/ui/${name}`;
    const plain = await house.ask('GET', path, { 'accept-encoding': 'identity' });
    const bytes = Buffer.from(await plain.arrayBuffer());
    const etag = plain.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]{27}"$/);
    const head = await house.ask('HEAD', path, { 'accept-encoding': 'identity' });
    expect([head.status, head.headers.get('content-length'), head.headers.get('etag')]).toEqual([200, `${bytes.length}`, etag]);
    expect((await head.arrayBuffer()).byteLength).toBe(0);
    const again = await house.ask('GET', path, { 'if-none-match': etag, 'accept-encoding': 'identity' });
    expect([again.status, (await again.arrayBuffer()).byteLength]).toEqual([304, 0]);
    if (bytes.length < 1_024) return;
    const packed = await house.ask('HEAD', path, { 'accept-encoding': 'gzip' });
    expect([packed.headers.get('content-encoding'), packed.headers.get('vary')]).toEqual(['gzip', 'Accept-Encoding']);
    expect(packed.headers.get('etag')).toBe(etag.replace(/"$/, '-gzip"'));
    expect(Number(packed.headers.get('content-length'))).toBeLessThan(bytes.length);
  });

  it('are those that the first script reaches, and no others', () => {
    const reached = new Set<string>();
    const walk = (name: string): void => {
      if (reached.has(name)) return;
      reached.add(name);
      for (const specifier of importsOf(readFileSync(new URL(name, BUILT), 'utf8'))) walk(specifier.replace(/^\.\//, ''));
    };
    walk('main.js');
    expect([...reached].sort()).toEqual([...SCRIPTS].sort());
  });

  it('/-/ui leads to the page; what is no file of it is a 404, and nothing is written', async () => {
    const bare = await house.ask('GET', '/-/ui');
    expect([bare.status, bare.headers.get('location')]).toEqual([308, 'ui/']);
    for (const path of [
      'nothing',
      'app.ts',
      'app.d.ts',
      '..%2fcli.js',
      '%2e%2e',
      'toString',
      '__proto__',
      'a/b',
      'main.js/',
      '/',
      'tsconfig.json',
    ]) {
      const { status } = await house.ask('GET', `/-/ui/${path}`);
      expect([path, [400, 404].includes(status)]).toEqual([path, true]);
    }
    for (const method of ['POST', 'PUT', 'DELETE']) expect((await house.ask(method, '/-/ui/')).status).toBe(405);
  });

  it('hold no secret, no token and no name of a package, whoever asks', async () => {
    const admin = await house.user('chief', { admin: true });
    await house.publish(admin, 'hidden-name', '1.0.0');
    for (const name of FILES) {
      const [one, other] = [
        await (await house.ask('GET', `/-/ui/${name}`)).text(),
        await (await house.ask('GET', `/-/ui/${name}`, { authorization: `Bearer ${admin}` })).text(),
      ];
      expect(one).toBe(other);
      expect(one).not.toMatch(/ent_[a-z2-7]|hidden-name|correct-horse/);
    }
  });

  it('name nothing by an absolute address, so that they work below any prefix', async () => {
    const base = await behind('/tools/registry', house.url);
    const moved = await fetch(`${base}/-/ui`);
    expect(moved.url).toBe(`${base}/-/ui/`);
    const page = await moved.text();
    const named = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => address);
    expect(named.length).toBeGreaterThan(SCRIPTS.length);
    for (const address of named) {
      expect(address).toMatch(/^(?:[a-z][a-z-]*\.(?:js|css)|#\/|data:image\/svg\+xml,.*)$/);
      if (/^[a-z-]+\.(?:js|css)$/.test(address)) expect((await fetch(new URL(address, `${base}/-/ui/`))).status).toBe(200);
    }
    expect(page).not.toMatch(/<script(?![^>]* src=)|<style|\son\w+=|\sstyle=/i);
  });

  it('are there where a repository is mounted at the root, and the page at / tells of them where none is', async () => {
    const rooted = await served({ npm: '/' });
    expect((await rooted.ask('GET', '/-/ui/')).headers.get('content-security-policy')).toBe(POLICY);
    expect(await (await house.ask('GET', '/')).text()).toContain('/-/ui/');
  });

  it('are served by the built program, and read when somebody asks', async () => {
    const { url } = await startServer(['--storage', 'memory:']);
    for (const name of FILES) {
      const answer = await fetch(`${url}/-/ui/${name}`, { headers: { 'accept-encoding': 'gzip' } });
      expect([name, answer.status]).toEqual([name, 200]);
      if (name.endsWith('.js')) expect(await answer.text()).toBe(readFileSync(new URL(name, BUILT), 'utf8'));
    }
  });
});

describe('what the page asks the management surface for', () => {
  it('repositories: all of them for whoever is somebody, else those that are open, else 401', async () => {
    const names = async (at: Served, token?: string): Promise<unknown> => {
      const answer = await at.ask(
        'GET',
        '/-/api/v1/repositories',
        token === undefined ? {} : { authorization: `Bearer ${token}` },
      );
      if (answer.status !== 200) return answer.status;
      const { repositories } = (await answer.json()) as { repositories: { name: string; anonymousRead: boolean }[] };
      return repositories.map(({ name, anonymousRead }) => `${name} ${anonymousRead}`);
    };
    const open = await served({ anonymousRead: ['npm'] });
    expect(await names(house)).toBe(401);
    expect(await names(open)).toEqual(['npm true']);
    expect(await names(open, 'ent_nonsense')).toBe(401);
    expect(await names(open, await open.user('ann'))).toEqual(['oci false', 'npm true']);
  });

  it('repositories: set-up lines have the public address, else that of the request', async () => {
    const lines = async (at: Served, headers: Record<string, string> = {}): Promise<string> => {
      const token = await at.user('ann');
      return (await at.ask('GET', '/-/api/v1/repositories', { ...headers, authorization: `Bearer ${token}` })).text();
    };
    expect(await lines(house)).toContain(`registry=${house.url}/npm/`);
    expect(await lines(await served({ publicUrl: 'https://packages.example/base/' }))).toContain(
      'registry=https://packages.example/base/npm/',
    );
    // a stranger's word is not believed
    expect(await lines(house, { 'x-forwarded-host': 'evil.example' })).not.toContain('evil.example');
  });

  it('versions in pages, the newest first to be asked for; names of people; what the caller may do', async () => {
    const [ann, bob] = [await house.user('ann'), await house.user('bob')];
    for (let n = 0; n < 5; n += 1) await house.publish(ann, 'many', `1.${n}.0`);
    const show = async (query: string, token = ann) => {
      const answer = await house.ask('GET', `/-/api/v1/repositories/npm/packages/many${query}`, {
        authorization: `Bearer ${token}`,
      });
      const body = (await answer.json()) as {
        versions?: { version: string }[];
        before?: string;
        people?: unknown;
        may?: unknown;
      };
      return { status: answer.status, ...body, versions: body.versions?.map(({ version }) => version) };
    };
    expect((await show('')).versions).toHaveLength(5);
    const first = await show('?limit=2');
    expect(first).toMatchObject({ versions: ['1.3.0', '1.4.0'], before: '1.3.0', total: 5 });
    expect(await show('?limit=2&before=1.3.0')).toMatchObject({ versions: ['1.1.0', '1.2.0'], before: '1.1.0' });
    const last = await show('?limit=2&before=1.1.0');
    expect([last.versions, last.before]).toEqual([['1.0.0'], undefined]);
    for (const query of ['?limit=0', '?limit=1001', '?limit=x', '?before=9.9.9']) expect((await show(query)).status).toBe(400);
    expect(first.people).toEqual([{ id: expect.stringMatching(/^[a-z2-7]{32}$/), name: 'ann' }]);
    expect([first.may, (await show('', bob)).may]).toEqual([['yank', 'delete', 'administer'], []]);
  });

  it('a readme too long for the state, from where it is stored', async () => {
    const ann = await house.user('ann');
    const readme = `# Long\n${'words '.repeat(8_000)}`;
    await house.publish(ann, 'long-readme', '1.0.0', { readme });
    const answer = await house.ask('GET', '/-/api/v1/repositories/npm/packages/long-readme', { authorization: `Bearer ${ann}` });
    expect(((await answer.json()) as { about: { readme: string } }).about.readme).toBe(readme);
  });

  it('gunzips to the same bytes', async () => {
    const answer = await fetch(`${house.url}/-/ui/app.js`, { headers: { 'accept-encoding': 'gzip' } });
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    // fetch has decoded it already: asked once more by hand, as bytes
    const { get } = await import('node:http');
    const raw = await new Promise<Buffer>((resolve, reject) => {
      get(`${house.url}/-/ui/app.js`, { headers: { 'accept-encoding': 'gzip' } }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece)).on('end', () => resolve(Buffer.concat(pieces)));
      }).on('error', reject);
    });
    expect(gunzipSync(raw).toString('utf8')).toBe(await answer.text());
  });
});
