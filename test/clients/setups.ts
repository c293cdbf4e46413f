import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningS3, startVersitygw } from '../servers/versitygw.js';
import type { Finished } from './processes.js';
import { startRoundRobin } from './round-robin.js';
import { command, type RequestLine, type Server, startServer } from './server.js';

/** A registry as clients meet it, whatever stands behind it. */
export interface Site {
  /** Of the npm repository, with a slash at its end. */
  readonly registry: string;
  readonly adminToken: string;
  /** Storage as `--storage` takes it. */
  readonly storage: string;
  /** The folder in which the stored objects lie as files. */
  readonly folder: string;
  readonly servers: readonly Server[];
  /** Requests answered so far, by all servers. */
  requests(): readonly RequestLine[];
  /** Runs the command line beside the servers on the same storage. */
  command(args: readonly string[], input?: string): Promise<Finished>;
  stop(): Promise<void>;
}

type ConfigFile = Readonly<Record<string, unknown>>;

export interface Setup {
  readonly title: string;
  /** `file`: what a configuration file says beside what the set-up needs. */
  start(args?: readonly string[], file?: ConfigFile): Promise<Site>;
}

const ADMIN_TOKEN = 'an-operators-own-token-W4rmKx81PqzB6v';
const SECRET = 'an-operators-secret-of-32-bytes-or-more';

function siteOf(
  servers: readonly Server[],
  about: Pick<Site, 'storage' | 'folder'> & { url: string; env?: Readonly<Record<string, string>>; adminToken: string },
  stop: () => Promise<void>,
): Site {
  const { url, env = {}, ...rest } = about;
  return {
    ...rest,
    registry: `${url}/npm/`,
    servers,
    requests: () => servers.flatMap(({ requests }) => requests),
    command: (args, input) => command(about.storage, args, env, input),
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
      await stop();
    },
  };
}

function onFolder(title: string, more: readonly string[]): Setup {
  return {
    title,
    start: async (args = [], file) => {
      const base = mkdtempSync(join(tmpdir(), 'entrepot-clients-'));
      const folder = join(base, 'data');
      const config = join(base, 'entrepot.config.json');
      if (file) writeFileSync(config, JSON.stringify(file));
      const storage = `file:${folder}`;
      const server = await startServer({ storage, args: [...more, ...(file ? ['--config', config] : []), ...args] });
      const { url, token } = server;
      if (token === undefined) throw new Error(`the first start showed no token:\n${server.lines.join('\n')}`);
      return siteOf([server], { storage, folder, url, adminToken: token }, async () =>
        rmSync(base, { recursive: true, force: true }),
      );
    },
  };
}

export const ONE_PROCESS: Setup = onFolder('one process on a folder', []);
export const FOUR_WORKERS: Setup = onFolder('four workers on one folder', ['--workers', '4']);

const onBucket = (title: string, settings: ConfigFile = {}): Setup => ({
  title,
  start: async (more = [], file = {}) => {
    const s3: RunningS3 = await startVersitygw({ version: '1.8.0' });
    const proxy = await startRoundRobin();
    const storage = `s3://${s3.bucket}/house?endpoint=${s3.endpoint}&region=us-east-1`;
    const config = join(s3.dir, 'entrepot.config.json');
    writeFileSync(config, JSON.stringify({ ...settings, ...file }));
    const args = ['--config', config, ...more];
    const env = {
      AWS_ACCESS_KEY_ID: s3.accessKey,
      AWS_SECRET_ACCESS_KEY: s3.secretKey,
      ENTREPOT_SECRET: SECRET,
      ENTREPOT_ADMIN_TOKEN: ADMIN_TOKEN,
    };
    const options = { storage, env, args: ['--public-url', proxy.url, ...args] };
    const servers: Server[] = [];
    try {
      // One after the other: the second finds what the first has found out about the store.
      for (const number of [0, 1]) servers.push(await startServer({ ...options, number }));
      proxy.targets = servers.map(({ url }) => url);
      const folder = join(s3.dir, s3.bucket, 'house');
      return siteOf(servers, { storage, folder, env, url: proxy.url, adminToken: ADMIN_TOKEN }, async () => {
        await proxy.stop();
        await s3.stop();
      });
    } catch (error) {
      await Promise.all(servers.map((server) => server.stop()));
      await proxy.stop();
      await s3.stop();
      throw error;
    }
  },
});

export const TWO_INSTANCES: Setup = onBucket('two instances over one bucket');
/** Every read looks at the bucket, no answer waits. */
export const TWO_FRESH_INSTANCES: Setup = onBucket('two instances over one bucket, without staleness', { maxStaleness: 0 });

/** A registry of its own that serves what another one has, and may see there what its administrator may. `more`: beside its `upstreams`. */
export function through(
  site: Pick<Site, 'registry' | 'adminToken'>,
  more: object = {},
  setup: Setup = ONE_PROCESS,
): Promise<Site> {
  const upstream = { id: 'other', url: site.registry, auth: { type: 'bearer', token: site.adminToken } };
  return setup.start([], { upstreams: { npm: { enabled: true, upstreams: [upstream], ...more } } });
}

/** Files below one of the storage's top folders. */
export function storedBelow(site: Pick<Site, 'folder'>, top: string): readonly string[] {
  try {
    return readdirSync(join(site.folder, top), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
