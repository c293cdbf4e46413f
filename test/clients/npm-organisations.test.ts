import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refused, run, worked } from './processes.js';
import { clientProgram, lacks, required } from './programs.js';
import { Sandbox } from './sandbox.js';
import { ask, type Rig, startRig } from './scenario/rig.js';
import { ONE_PROCESS } from './setups.js';

// What the rule tests say, again with npm itself: a minute that only CI spends.
const quick = !process.env['REQUIRE_CLIENTS'];
if (quick)
  console.log('skipped: organisations, trusted publishing and redirects with npm 11 take a minute; REQUIRE_CLIENTS=1 runs them');
const skipped = quick || lacks('npm-11', clientProgram('npm-11'));
const npm11 = (): string => required('npm-11', clientProgram('npm-11'));

describe.skipIf(skipped)('npm 15: organisations and teams with npm 11', { timeout: 120_000 }, () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig(ONE_PROCESS, npm11());
  });
  afterAll(() => rig?.stop());

  it('org set, ls, rm', async () => {
    const { admin, bob, carol } = rig;
    expect(refused(await bob.npm(['org', 'set', 'acme', 'bob', 'owner'])).err).toMatch(/E403/);
    expect(await admin.out(['org', 'set', 'acme', 'bob', 'owner'])).toContain(
      'Added bob as owner to acme. You now have 1 member',
    );
    expect(await bob.out(['org', 'set', 'acme', 'carol'])).toContain('Added carol as developer to acme. You now have 2 members');
    expect(await carol.json(['org', 'ls', 'acme'])).toEqual({ bob: 'owner', carol: 'developer' });
    expect(refused(await carol.npm(['org', 'set', 'acme', 'admin', 'admin'])).err).toMatch(/E403/);
    expect(await bob.out(['org', 'rm', 'acme', 'carol'])).toContain(
      'Successfully removed carol from acme. You now have 1 member',
    );
    expect(refused(await carol.npm(['org', 'ls', 'acme'])).err).toMatch(/E404/);
    await bob.out(['org', 'set', 'acme', 'carol', 'developer']);
  });

  it('team create, add, ls, rm, destroy', async () => {
    const { bob, carol } = rig;
    expect(await bob.out(['team', 'create', '@acme:crew'])).toContain('+@acme:crew');
    expect(await bob.out(['team', 'add', '@acme:crew', 'carol'])).toContain('carol added to @acme:crew');
    expect(await carol.json(['team', 'ls', '@acme'])).toEqual(['acme:crew', 'acme:developers']);
    expect(await carol.json(['team', 'ls', '@acme:crew'])).toEqual(['carol']);
    expect(refused(await carol.npm(['team', 'destroy', '@acme:crew'])).err).toMatch(/E403/);
    expect(await bob.out(['team', 'rm', '@acme:crew', 'carol'])).toContain('carol removed from @acme:crew');
    expect(await bob.out(['team', 'destroy', '@acme:crew'])).toContain('-@acme:crew');
  });

  it('access grant and revoke decide who reads and who publishes', async () => {
    const { bob, carol } = rig;
    await bob.out(['publish'], bob.package({ name: '@acme/tool', version: '1.0.0' }));
    await bob.out(['access', 'revoke', 'acme:developers', '@acme/tool']);
    expect(refused(await carol.npm(['view', '@acme/tool'])).err).toMatch(/E404/);
    await bob.out(['team', 'create', 'acme:crew']);
    await bob.out(['team', 'add', 'acme:crew', 'carol']);
    await bob.out(['access', 'grant', 'read-only', 'acme:crew', '@acme/tool']);
    expect(await carol.json(['view', '@acme/tool', 'version'])).toBe('1.0.0');
    const publish = () => carol.npm(['publish'], carol.package({ name: '@acme/tool', version: '1.1.0' }));
    expect(refused(await publish()).err).toMatch(/E403/);
    expect(await carol.json(['access', 'list', 'packages', 'acme:crew'])).toEqual({ '@acme/tool': 'read-only' });
    expect(await carol.json(['access', 'list', 'collaborators', '@acme/tool'])).toEqual({
      bob: 'read-write',
      carol: 'read-only',
    });
    await bob.out(['access', 'grant', 'read-write', 'acme:crew', '@acme/tool']);
    worked(await publish());
    expect(await carol.json(['access', 'list', 'packages', 'acme'])).toEqual({ '@acme/tool': 'read-write' });
  });
});

describe.skipIf(skipped)('npm 24: npm 11 publishes with the identity token of a build', { timeout: 120_000 }, () => {
  it('and without any other', async () => {
    const keys = await generateKeyPair('RS256', { extractable: true });
    const issuer = 'https://builds.example';
    const machine = new Sandbox('http://127.0.0.1/');
    const config = {
      auth: {
        trustedPublishers: [
          {
            issuer,
            audience: 'npm:127.0.0.1',
            jwks: { keys: [{ ...(await exportJWK(keys.publicKey)), alg: 'RS256' }] },
            claims: { project_path: 'acme/tools' },
            packages: ['@acme/*'],
            user: 'robot',
          },
        ],
      },
    };
    machine.write('config.json', JSON.stringify(config));
    const site = await ONE_PROCESS.start(['--config', `${machine.home}/config.json`]);
    try {
      worked(await site.command(['user', 'add', 'robot']));
      const idToken = (project: string): Promise<string> =>
        new SignJWT({ project_path: project })
          .setProtectedHeader({ alg: 'RS256' })
          .setIssuer(issuer)
          .setAudience('npm:127.0.0.1')
          .setSubject('build')
          .setIssuedAt()
          .setExpirationTime('5m')
          .sign(keys.privateKey);
      const build = new Sandbox(site.registry, undefined, npm11());
      const folder = build.package({ name: '@acme/built', version: '1.0.0' });
      const publish = async (project: string) =>
        run(npm11(), ['publish'], {
          cwd: folder,
          env: build.env({ GITLAB_CI: 'true', CI: 'true', NPM_ID_TOKEN: await idToken(project) }),
        });
      expect(refused(await publish('evil/tools')).err).toMatch(/ENEEDAUTH|E401/);
      worked(await publish('acme/tools'));
      const { versions, maintainers } = (await (await ask(site, '@acme%2fbuilt')).json()) as {
        versions: object;
        maintainers: object;
      };
      expect(Object.keys(versions)).toEqual(['1.0.0']);
      expect(maintainers).toEqual([{ name: 'robot', email: '' }]);
      build.remove();
    } finally {
      await site.stop();
      machine.remove();
    }
  });
});

describe.skipIf(skipped)('npm 39: npm 11 follows a redirect of tarballs to another host', { timeout: 120_000 }, () => {
  it('without Authorization, and the bytes are the right ones', async () => {
    const site = await ONE_PROCESS.start(['--anonymous-read', 'npm']);
    const sent: (string | undefined)[] = [];
    // Documents through here, tarballs from elsewhere: the same server under another name.
    const front: Server = createServer((request, answer) => {
      const target = `${site.servers[0]?.url}${request.url}`;
      if (request.url?.endsWith('.tgz')) {
        answer.writeHead(302, { location: target.replace('127.0.0.1', 'localhost') }).end();
        return;
      }
      fetch(target, {
        headers: { authorization: request.headers.authorization ?? '', accept: request.headers.accept ?? '*/*' },
      }).then(
        async (inner) => {
          const text = (await inner.text()).replaceAll(`${site.servers[0]?.url}/`, `http://${request.headers.host}/`);
          answer.writeHead(inner.status, { 'content-type': 'application/json' }).end(text);
        },
        () => answer.writeHead(502).end(),
      );
    });
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    const author = new Sandbox(site.registry, site.adminToken, npm11());
    const user = new Sandbox(`http://127.0.0.1:${(front.address() as AddressInfo).port}/npm/`, site.adminToken, npm11());
    try {
      worked(await author.npm(['publish'], author.package({ name: 'afar', version: '1.0.0' })));
      const before = site.requests().length;
      const folder = user.folder({
        'package.json': JSON.stringify({ name: 'p', version: '1.0.0', dependencies: { afar: '1.0.0' } }),
      });
      worked(await user.npm(['install'], folder));
      await new Promise((resolve) => setTimeout(resolve, 100));
      const tarballs = site
        .requests()
        .slice(before)
        .filter(({ path }) => path.endsWith('.tgz'));
      sent.push(...tarballs.map(({ user: who }) => who));
      expect(tarballs.map(({ status }) => status)).toEqual([200]);
      expect(sent).toEqual([undefined]);
    } finally {
      front.closeAllConnections();
      await new Promise((resolve) => front.close(resolve));
      author.remove();
      user.remove();
      await site.stop();
    }
  });
});
