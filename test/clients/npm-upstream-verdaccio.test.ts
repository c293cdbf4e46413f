import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../servers/free-port.js';
import { FAMILY } from './family-clients.js';
import { loaded, Machine } from './family-machine.js';
import { end, refused, worked } from './processes.js';
import { clientProgram, lacks } from './programs.js';
import { ask } from './scenario/rig.js';
import { type Site, through } from './setups.js';

// Our own registry as the upstream shows most; this one is somebody else's.
const VERDACCIO = fileURLToPath(new URL('../../.tools/peers/verdaccio/node_modules/verdaccio/bin/verdaccio', import.meta.url));
const quick = !process.env['REQUIRE_CLIENTS'];
if (quick) console.log('skipped: clients through us to Verdaccio take half a minute; REQUIRE_CLIENTS=1 runs them');

const CLIENTS = FAMILY.filter(({ program }) =>
  (['npm-9', 'npm-11', 'pnpm-10', 'yarn-1', 'yarn-4', 'bun', 'deno'] as readonly string[]).includes(program),
);
const TRIES = 600;

interface Other {
  /** What a set-up needs to know of it. */
  readonly site: Pick<Site, 'registry' | 'adminToken'>;
  stop(): Promise<void>;
}

/** Verdaccio without uplinks, where everything needs its user's token. */
async function startVerdaccio(): Promise<Other> {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-verdaccio-'));
  const rule = { access: '$authenticated', publish: '$authenticated' };
  const config = {
    storage: join(folder, 'storage'),
    auth: { htpasswd: { file: join(folder, 'htpasswd') } },
    security: { api: { legacy: false, jwt: { sign: { expiresIn: '1d' } } } },
    packages: { '@*/*': rule, '**': rule },
    log: { type: 'stdout', format: 'json', level: 'fatal' },
  };
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
  const url = `http://127.0.0.1:${await freePort()}/`;
  const args = [VERDACCIO, '--config', join(folder, 'config.yaml'), '--listen', url.slice(7, -1)];
  const child = spawn(process.execPath, args, {
    stdio: 'ignore',
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, NODE_ENV: 'production' },
  });
  const stop = async (): Promise<void> => {
    await end(child);
    rmSync(folder, { recursive: true, force: true });
  };
  for (let turn = 0; turn < TRIES; turn++) {
    const body = JSON.stringify({ name: 'author', password: 'a-password-of-its-author' });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${url}-/user/org.couchdb.user:author`, { method: 'PUT', headers, body }).catch(() => undefined);
    if (answer?.status === 201) {
      const { token } = (await answer.json()) as { token: string };
      return { site: { registry: url, adminToken: token }, stop };
    }
    await answer?.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await stop();
  throw new Error('Verdaccio does not answer');
}

// like the benchmarks' other peers it may be missing
const missing = !existsSync(VERDACCIO);
if (missing && !quick) console.warn('SKIPPED: Verdaccio is not installed; run .ci/install-peers');

describe.skipIf(quick || missing)('npm 38: Verdaccio as the upstream', { timeout: 180_000 }, () => {
  let other: Other | undefined;
  let site: Site | undefined;
  const machines: Machine[] = [];
  const here = (): Site => {
    if (!site || !other) throw new Error('the registries did not start');
    return site;
  };
  const machine = (of: Pick<Site, 'registry' | 'adminToken'>, program: string): Machine => {
    const client = FAMILY.find((one) => one.program === program);
    if (!client) throw new Error(`no such client: ${program}`);
    const made = new Machine(of, client);
    machines.push(made);
    return made;
  };
  const installs = async (program: string): Promise<void> => {
    const by = machine(here(), program);
    const folder = await by.install({ '@team/top': '^1.0.0' });
    expect(await loaded(by, folder)).toEqual(['@team/top@1.2.3', 'leaf@1.0.0']);
  };

  beforeAll(async () => {
    other = await startVerdaccio();
    site = await through(other.site, { cache: { ttlSeconds: 0 } });
    // each has its own way of naming the tarball that it sends
    await machine(other.site, 'npm-11').publish({ name: 'leaf', version: '1.0.0' });
    await machine(other.site, 'npm-9').publish({ name: 'leaf', version: '1.1.0' });
    await machine(other.site, 'yarn-1').publish({ name: '@team/top', version: '1.2.3', dependencies: { leaf: '1.0.0' } });
  }, 180_000);
  afterAll(async () => {
    for (const { sandbox } of machines) sandbox.remove();
    await site?.stop();
    await other?.stop();
  });

  it.each(CLIENTS.filter(({ program }) => quick || !lacks(program, clientProgram(program))))(
    '$program installs, twice, from an empty cache',
    async ({ program }) => {
      for (let turn = 0; turn < 2; turn++) await installs(program);
    },
  );

  it('documents and files are as Verdaccio has them, but for what leads to it', async () => {
    for (const name of ['leaf', '@team%2ftop']) {
      const [theirs, ours] = await Promise.all([other?.site, here()].map(async (one) => (await ask(one as Site, name)).text()));
      const [origin, copy] = [JSON.parse(theirs ?? ''), JSON.parse(ours ?? '')];
      expect(ours).not.toContain(other?.site.registry);
      expect([copy['dist-tags'], Object.keys(copy.versions), copy.time]).toEqual([
        origin['dist-tags'],
        Object.keys(origin.versions),
        { ...origin.time },
      ]);
      for (const [version, { dist }] of Object.entries<{ dist: { integrity: string; tarball: string } }>(copy.versions)) {
        expect(dist.integrity).toBe(origin.versions[version].dist.integrity);
        const path = dist.tarball.slice(here().registry.length);
        const bytes = await Promise.all(
          [other?.site, here()].map(async (one) => Buffer.from(await (await ask(one as Site, path)).arrayBuffer())),
        );
        expect(bytes[0]?.equals(bytes[1] as Buffer)).toBe(true);
      }
    }
  });

  it('a name that neither has is 404, and a change is refused in words', async () => {
    const by = machine(here(), 'npm-11');
    expect(refused(await by.run(['view', 'no-such-package'])).err).toMatch(/E404/);
    expect(refused(await by.run(['deprecate', 'leaf@1.0.0', 'no'])).err).toContain('this package comes from another registry');
    expect(worked(await by.run(['view', '@team/top', 'dist-tags.latest'])).out.trim()).toBe('1.2.3');
  });

  it('when it is gone every client installs all the same', async () => {
    await other?.stop();
    for (const { program } of CLIENTS) if (!lacks(program, clientProgram(program))) await installs(program);
    expect(
      here()
        .requests()
        .filter(({ status, path }) => status >= 500 && /top|leaf/.test(path)),
    ).toEqual([]);
  });
});
