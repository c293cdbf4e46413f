import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../ts/errors/config-error.js';
import { readOptions } from '../../ts/server/options.js';
import { parseStorage } from '../../ts/server/storage-url.js';

const folder = mkdtempSync(join(tmpdir(), 'entrepot-options-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const SECRET = 'correct-horse-battery-staple-1-AZ9';

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const read = (flags: Record<string, string> = {}, env: Record<string, string> = {}) =>
  readOptions({ flags, env, protocols: new Map([['npm', {}]]) });

function problems(flags: Record<string, string>, env: Record<string, string> = {}): string[] {
  try {
    read(flags, env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems.map(({ path }) => path);
  }
  return [];
}

describe('options', () => {
  it('have the defaults of the table', () => {
    expect(read()).toEqual({
      port: 8080,
      host: '127.0.0.1',
      workers: 1,
      logFormat: undefined,
      logLevel: 'info',
      registry: { storage: { driver: 'filesystem', root: './data' }, npm: { enabled: true }, anonymousRead: [], trustProxy: [] },
    });
  });

  it('come from flags before environment before file', () => {
    const config = file('order.json', { port: 1, host: 'file.example', workers: 3, logLevel: 'error' });
    const options = read({ config, port: '5' }, { PORT: '4', HOST: 'env.example', LOG_LEVEL: '' });
    expect(options).toMatchObject({ port: 5, host: 'env.example', workers: 3, logLevel: 'error' });
  });

  it('take every option from each of its sources', () => {
    const secretFile = file('secret', `${SECRET}\n`);
    const fromFlags = read({
      'secret-file': secretFile,
      storage: 'memory:',
      'public-url': 'https://packages.example',
      'trust-proxy': '10.0.0.0/8, ::1',
      'anonymous-read': 'npm',
      'log-format': 'text',
    });
    expect(fromFlags).toMatchObject({
      logFormat: 'text',
      registry: {
        secret: SECRET,
        storage: { driver: 'memory' },
        publicUrl: 'https://packages.example',
        trustProxy: ['10.0.0.0/8', '::1'],
        anonymousRead: ['npm'],
      },
    });
    const env = {
      ENTREPOT_SECRET: SECRET,
      ENTREPOT_ADMIN_TOKEN: 'an-operators-own-token-K7xQ2mP9vR4w',
      ENTREPOT_STORAGE: 's3://packages/team/one?endpoint=http://127.0.0.1:9000&region=eu-central-1',
      ENTREPOT_ANONYMOUS_READ: '*',
      ENTREPOT_WORKERS: '2',
    };
    expect(read({}, env)).toMatchObject({
      workers: 2,
      registry: {
        secret: SECRET,
        auth: { adminToken: 'an-operators-own-token-K7xQ2mP9vR4w' },
        storage: {
          driver: 's3',
          bucketName: 'packages',
          prefix: 'team/one',
          endpoint: 'http://127.0.0.1:9000',
          region: 'eu-central-1',
        },
        anonymousRead: '*',
      },
    });
    const config = file('all.json', {
      secretFile,
      repositories: [{ name: 'team', protocol: 'npm', enabled: true }],
      npm: { enabled: false },
      maxStaleness: 0,
      storage: { driver: 'memory' },
    });
    expect(read({ config }).registry).toMatchObject({
      secret: SECRET,
      npm: { enabled: false },
      maxStaleness: 0,
      storage: { driver: 'memory' },
      repositories: [{ name: 'team' }],
    });
  });

  it('prefer a secret that a flag names to one in the environment', () => {
    const other = 'another-horse-battery-staple-2-BY8';
    expect(read({ 'secret-file': file('other', other) }, { ENTREPOT_SECRET: SECRET }).registry.secret).toBe(other);
    expect(
      read({ config: file('s.json', { secretFile: file('other', other) }) }, { ENTREPOT_SECRET: SECRET }).registry.secret,
    ).toBe(SECRET);
  });

  it('are refused all at once, each by the name it was given', () => {
    const config = file('bad.json', { hots: 'x', trustProxy: 'nonsense', repositories: [{}], publicUrl: 'ftp://x' });
    expect(
      problems(
        { config, port: '1e3', 'secret-file': join(folder, 'missing') },
        { ENTREPOT_WORKERS: '1.5', LOG_FORMAT: 'xml' },
      ).sort(),
    ).toEqual(
      [
        '--port',
        '--secret-file',
        'ENTREPOT_WORKERS',
        'LOG_FORMAT',
        'hots',
        'publicUrl',
        'repositories[0].enabled',
        'repositories[0].name',
        'repositories[0].protocol',
        'trustProxy[0]',
      ].sort(),
    );
    expect(problems({ config: join(folder, 'missing.json') })).toEqual(['--config']);
    expect(problems({ config: file('list.json', []) })).toEqual(['--config']);
    expect(problems({ config: file('half.json', '{') })).toEqual(['--config']);
  });
});

describe('a storage URL', () => {
  const parsed = (url: string) => {
    const found: { path: string; message: string }[] = [];
    const storage = parseStorage(url, '--storage', found);
    return found.length > 0 ? found.map(({ message }) => message) : storage;
  };

  it('is a folder, memory or a bucket', () => {
    expect(parsed('file:./data')).toEqual({ driver: 'filesystem', root: './data' });
    expect(parsed('file:/var/data')).toEqual({ driver: 'filesystem', root: '/var/data' });
    expect(parsed('file:///var/data')).toEqual({ driver: 'filesystem', root: '/var/data' });
    expect(parsed('s3://packages')).toEqual({ driver: 's3', bucketName: 'packages' });
  });

  it.each(['file:', 'ftp:x', './data', '', 's3://', 's3://key:word@packages', 's3://packages?bucket=x'])('is not %j', (url) => {
    expect(parsed(url)).toEqual([expect.any(String)]);
  });
});
