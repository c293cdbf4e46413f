import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { bareEnv } from './installed.js';
import { scratch } from './project.js';

const exec = promisify(execFile);

/** The administrator of every sample. */
export const TOKEN = 'an-administrator-of-the-samples-only';
/** Scoped: hosts that decode a path before we see it fail with the escaped slash in its name. */
export const NAME = '@team/thing';

export interface NpmClient {
  /** Runs npm in `folder`. Rejects when it fails; the error has its `stderr`. */
  npm(args: readonly string[], folder: string): Promise<string>;
  /** `npm publish` of a small package. */
  publish(version: string, name?: string): Promise<void>;
  /** `npm install` from an empty cache into an empty project. Answers what the package's file says. */
  install(spec: string, name?: string): Promise<string>;
}

/** npm as a stranger's machine has it: own home, own settings, no cache. `registry` ends with a slash. */
export function npmClient(registry: string, token: string | undefined = TOKEN): NpmClient {
  const home = scratch();
  const config = join(home, 'npmrc');
  const key = `${registry.replace(/^http:/, '')}:_authToken`;
  const settings = ['fetch-retries=1', 'fetch-retry-mintimeout=200', 'audit=false', 'fund=false', 'update-notifier=false'];
  writeFileSync(
    config,
    [`registry=${registry}`, ...(token === undefined ? [] : [`${key}=${token}`]), ...settings, ''].join('\n'),
  );
  const env = { ...bareEnv(home), npm_config_userconfig: config, npm_config_globalconfig: join(home, 'none') };
  let caches = 0;
  const npm = async (args: readonly string[], cwd: string): Promise<string> => {
    const cache = join(home, `cache-${caches++}`);
    const { stdout } = await exec('npm', [...args, '--loglevel=error'], { cwd, env: { ...env, npm_config_cache: cache } });
    return stdout;
  };
  return {
    npm,
    publish: async (version, name = NAME) => {
      const folder = join(home, `publish-${caches}`);
      mkdirSync(folder);
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version, main: 'index.js' }));
      writeFileSync(join(folder, 'index.js'), `module.exports = ${JSON.stringify(`${name}@${version}`)};\n`);
      await npm(['publish'], folder);
    },
    install: async (spec, name = NAME) => {
      const folder = join(home, `install-${caches}`);
      mkdirSync(folder);
      writeFileSync(join(folder, 'package.json'), '{ "private": true }');
      await npm(['install', spec], folder);
      return readFileSync(join(folder, 'node_modules', name, 'index.js'), 'utf8');
    },
  };
}

/** A real `npm publish` and a real `npm install` through whatever answers at `registry`. */
export async function publishAndInstall(registry: string, version = '1.0.0'): Promise<NpmClient> {
  const client = npmClient(registry);
  await client.publish(version);
  expect(await client.install(`${NAME}@${version}`)).toBe(`module.exports = "${NAME}@${version}";\n`);
  return client;
}
