import { describe, expect, it } from 'vitest';
import type { Lookup } from '../../ts/upstream/address-guard.js';
import {
  answer,
  asking,
  atHome,
  CANARY,
  CERTIFICATE,
  failureOf,
  type MockUpstream,
  mockUpstream,
  redirect,
  textOf,
  told,
  wanted,
} from './upstream-rig.js';

const auth = { type: 'bearer', token: CANARY } as const;
const secret = ({ heard }: MockUpstream) => heard.map(({ path, headers }) => `${path} ${headers['authorization'] ?? 'without'}`);
const BEARER = `Bearer ${CANARY}`;

describe('credentials of an upstream', () => {
  it('are sent to its own origin, and nothing else is: no cookie, no name of ours beyond the product', async () => {
    const own = await mockUpstream(() => answer('{}', { 'Set-Cookie': 'a=b' }));
    const { ask } = asking({ url: `${own.url}/npm/`, auth });
    expect(await textOf(ask(wanted('@acme%2fthing', { accept: 'application/json' })))).toBe('{}');
    expect(
      await textOf(ask(wanted('other', { as: 'artifact', etag: '"1"', lastModified: 'Sun, 01 Jan 2023 00:00:00 GMT' }))),
    ).toBe('{}');
    const usual = { 'user-agent': 'entrepot', host: `127.0.0.1:${own.port}`, connection: 'keep-alive', authorization: BEARER };
    expect(own.heard).toEqual([
      { method: 'GET', path: '/npm/@acme%2fthing', headers: { ...usual, accept: 'application/json', 'accept-encoding': 'gzip' } },
      {
        method: 'GET',
        path: '/npm/other',
        headers: {
          ...usual,
          accept: '*/*',
          'accept-encoding': 'identity',
          'if-none-match': '"1"',
          'if-modified-since': 'Sun, 01 Jan 2023 00:00:00 GMT',
        },
      },
    ]);
    expect(own.connections()).toBe(1);
  });

  it('may be a user name and a password (RFC 7617), in UTF-8', async () => {
    const own = await mockUpstream(() => answer(''));
    const { ask } = asking({ url: own.url, auth: { type: 'basic', username: 'jö', password: 'a:b' } });
    await textOf(ask(wanted('x')));
    expect(own.heard[0]?.headers['authorization']).toBe(`Basic ${Buffer.from('jö:a:b').toString('base64')}`);
  });

  it.each([301, 302, 303, 307, 308])('X1: stay with the origin on a redirect %i, and leave with no other', async (status) => {
    const other = await mockUpstream(() => answer('other'));
    const own = await mockUpstream(({ path }) => {
      if (path === '/npm/inside') return redirect('/elsewhere', `${status} Moved`);
      if (path === '/npm/outside') return redirect(`${other.url}/file?sig=1`, `${status} Moved`);
      return answer('own');
    });
    const { ask } = asking({ url: `${own.url}/npm`, auth, alsoAt: [other.url] });
    expect(await textOf(ask(wanted('inside')))).toBe('own');
    expect(await textOf(ask(wanted('outside', { as: 'artifact' })))).toBe('other');
    expect(secret(own)).toEqual([`/npm/inside ${BEARER}`, `/elsewhere ${BEARER}`, `/npm/outside ${BEARER}`]);
    expect(secret(other)).toEqual(['/file?sig=1 without']);
    expect(JSON.stringify(other.heard)).not.toContain(CANARY);
  });

  it('X1: do not come back on the way A, B, A', async () => {
    const own: MockUpstream = await mockUpstream(({ path }) => (path === '/start' ? redirect(`${other.url}/b`) : answer('end')));
    const other: MockUpstream = await mockUpstream(() => redirect(`${own.url}/end`));
    const { ask } = asking({ url: own.url, auth, alsoAt: [other.url] });
    expect(await textOf(ask(wanted('start')))).toBe('end');
    expect(secret(own)).toEqual([`/start ${BEARER}`, '/end without']);
    expect(secret(other)).toEqual(['/b without']);
  });

  it('X1: are not sent to an absolute URL of another origin, nor to the own one that it redirects to', async () => {
    const own = await mockUpstream(() => answer('own'));
    const other = await mockUpstream(({ path }) => (path === '/back' ? redirect(`${own.url}/end`) : answer('other')));
    const { ask } = asking({ url: own.url, auth, alsoAt: [other.url] });
    expect(await textOf(ask(wanted(`${other.url}/file.tgz`)))).toBe('other');
    expect(await textOf(ask(wanted(`${other.url}/back`)))).toBe('own');
    expect(await textOf(ask(wanted(`${own.url}/file.tgz`)))).toBe('own');
    expect(secret(other)).toEqual(['/file.tgz without', '/back without']);
    expect(secret(own)).toEqual(['/end without', `/file.tgz ${BEARER}`]);
  });

  it('X1: another port, another scheme and another spelling of the host are other origins', async () => {
    const own = await mockUpstream(() => answer('own'));
    const { ask } = asking({
      url: own.url,
      auth,
      alsoAt: [`http://files.example:${own.port}`, `http://registry.example:${own.port}`],
    });
    await textOf(ask(wanted(`http://files.example:${own.port}/a`)));
    await textOf(ask(wanted(`http://registry.example:${own.port}/b`)));
    expect(secret(own)).toEqual(['/a without', '/b without']);
    expect((await failureOf(ask(wanted(`http://127.0.0.1.:${own.port + 1}/`)))).message).toMatch(/cannot be used/);
    // only spelled differently: it is the same address and the same port
    await textOf(ask(wanted(`http://0x7f000001:${own.port}/c`)));
    expect(secret(own)[2]).toBe(`/c ${BEARER}`);
  });

  it('X1: five redirects are followed and no sixth, with a loop as with a chain', async () => {
    const own = await mockUpstream(({ path }) => {
      const left = Number(/^\/chain\/(\d)$/.exec(path)?.[1] ?? -1);
      if (left === 0) return answer('end');
      return redirect(left > 0 ? `${left - 1}` : path);
    });
    const { ask } = asking({ url: `${own.url}/chain`, auth });
    expect(await textOf(ask(wanted('5')))).toBe('end');
    expect(own.heard.length).toBe(6);
    expect((await failureOf(ask(wanted('6')))).message).toBe('the upstream redirects more than 5 times');
    expect(own.heard.length).toBe(12);
    const loop = await failureOf(ask(wanted('loop')));
    expect([loop.kind, loop.passing]).toEqual(['upstream_failed', false]);
    expect(own.heard.length).toBe(18);
  });

  it('X1: a redirect from https to http is refused before anything is sent, to the own host as well', async () => {
    const plain = await mockUpstream(() => answer('plain'));
    const own = await mockUpstream(
      ({ path }) => redirect(path === '/own' ? `http://registry.example:${plain.port}/` : `${plain.url}/`),
      {
        tls: true,
      },
    );
    const { ask } = asking(
      { url: own.url, auth, alsoAt: [plain.url, `http://registry.example:${plain.port}`] },
      { ca: CERTIFICATE },
    );
    for (const target of ['own', 'other']) expect((await failureOf(ask(wanted(target)))).message).toMatch(/cannot be used/);
    expect(own.heard.length).toBe(2);
    expect(plain.connections()).toBe(0);
  });

  it('X1: an old document that names the own host without TLS means the host with it', async () => {
    const own = await mockUpstream(() => answer('safe'), { tls: true });
    const looked: string[] = [];
    const lookup: Lookup = (hostname, options, callback) => {
      looked.push(hostname);
      atHome(hostname, options, callback);
    };
    const { ask } = asking({ url: own.url, auth }, { ca: CERTIFICATE, lookup });
    expect(await textOf(ask(wanted(`http://registry.example:${own.port}/thing.tgz`, { as: 'artifact' })))).toBe('safe');
    expect(secret(own)).toEqual([`/thing.tgz ${BEARER}`]);
    expect((await failureOf(ask(wanted('http://files.example/thing.tgz')))).message).toMatch(/cannot be used/);
    expect(looked).toEqual(['registry.example']);
  });

  it('are not sent to a server whose certificate is not believed, whatever the environment says', async () => {
    const own = await mockUpstream(() => answer('own'), { tls: true });
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      const failure = await failureOf(asking({ url: own.url, auth }).ask(wanted('x')));
      expect([failure.kind, failure.passing]).toEqual(['upstream_failed', true]);
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
    expect(own.heard).toEqual([]);
  });

  it.each([401, 403])(
    'X17: when the upstream answers %i the failure says so, and names neither them nor the host',
    async (status) => {
      const own = await mockUpstream(() =>
        answer(`no ${CANARY}`, { 'WWW-Authenticate': `Bearer realm="https://evil.example/${CANARY}"` }, `${status} No`),
      );
      const { ask } = asking({ url: own.url, auth });
      const failure = await failureOf(ask(wanted('private')));
      expect([failure.kind, failure.passing, failure.message]).toEqual([
        'upstream_failed',
        false,
        'the upstream does not let the registry in',
      ]);
      expect(told(failure)).not.toContain(CANARY);
      expect(failure.message).not.toContain('127.0.0.1');
      // X2: nobody goes where the challenge points to
      expect(own.heard.length).toBe(1);
    },
  );

  it('L1: stay out of failures when the upstream says them again, in an answer that is none', async () => {
    const own = await mockUpstream(({ headers }, socket) => {
      socket.end(`HTTP/1.1 abc ${headers['authorization']}\r\nX: ${headers['authorization']}\r\n\r\n`);
      return undefined;
    });
    const failure = await failureOf(asking({ url: own.url, auth }).ask(wanted('x')));
    expect(failure.message).toBe('the upstream answered with what is not HTTP');
    expect(told(failure)).not.toContain(CANARY);
    expect(told(failure)).not.toMatch(/"data":\[/);
  });

  it('X3: a redirect that brings its own is refused, to the own host as well', async () => {
    const own: MockUpstream = await mockUpstream(() => redirect(own.url.replace('//', '//a:b@')));
    const failure = await failureOf(asking({ url: own.url, auth }).ask(wanted('x')));
    expect(failure.message).toMatch(/cannot be used/);
    expect(own.heard.length).toBe(1);
  });

  it('L1: that no header can carry fail without being repeated', async () => {
    const own = await mockUpstream(() => answer('own'));
    for (const token of [`${CANARY}\nX: y`, `${CANARY}\u0000`, `${CANARY}\u2713`]) {
      const failure = await failureOf(asking({ url: own.url, auth: { type: 'bearer', token } }).ask(wanted('x')));
      expect([failure.kind, failure.passing]).toEqual(['upstream_failed', false]);
      expect(told(failure)).not.toContain(CANARY);
    }
    expect(own.connections()).toBe(0);
  });
});
