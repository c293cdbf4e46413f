import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Finished, run, worked } from './processes.js';
import { onPath, required } from './programs.js';

export type Manifest = Readonly<Record<string, unknown>> & { readonly name: string; readonly version: string };

/** A user's machine: home, caches and settings of its own, nothing of this one's but the programs. */
export class Sandbox {
  readonly home: string = mkdtempSync(join(tmpdir(), 'entrepot-client-'));
  readonly registry: string;
  private readonly program: string;
  private count = 0;

  constructor(registry: string, token?: string, program: string = required('npm', onPath('npm'))) {
    this.registry = registry;
    this.program = program;
    this.write('.npmrc', this.npmrc(token));
    this.write('global-npmrc', '');
  }

  /** What a user's `.npmrc` holds. */
  npmrc(token: string | undefined): string {
    return [
      `registry=${this.registry}`,
      ...(token === undefined ? [] : [`${this.registry.replace(/^https?:/, '')}:_authToken=${token}`]),
      'fetch-retries=1',
      'fetch-retry-mintimeout=200',
      'fetch-retry-maxtimeout=400',
      'update-notifier=false',
      'progress=false',
      'fund=false',
      '',
    ].join('\n');
  }

  env(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const { home } = this;
    return {
      PATH:
        process.env.PATH?.split(':')
          .filter((folder) => !folder.includes('node_modules'))
          .join(':') ?? '',
      HOME: home,
      XDG_CACHE_HOME: join(home, 'xdg-cache'),
      XDG_CONFIG_HOME: join(home, 'xdg-config'),
      XDG_DATA_HOME: join(home, 'xdg-data'),
      XDG_STATE_HOME: join(home, 'xdg-state'),
      npm_config_userconfig: join(home, '.npmrc'),
      npm_config_globalconfig: join(home, 'global-npmrc'),
      npm_config_cache: join(home, 'npm-cache'),
      NO_COLOR: '1',
      LC_ALL: 'C',
      ...more,
    };
  }

  /** Runs npm in a folder (default: the home). */
  npm(args: readonly string[], cwd: string = this.home, input?: string): Promise<Finished> {
    return run(this.program, args, { cwd, env: this.env(), ...(input === undefined ? {} : { input }) });
  }

  /** Runs npm, which must succeed; resolves with what it wrote to standard output. */
  async out(args: readonly string[], cwd?: string): Promise<string> {
    return worked(await this.npm(args, cwd)).out;
  }

  async json<T>(args: readonly string[], cwd?: string): Promise<T> {
    return JSON.parse(await this.out([...args, '--json'], cwd)) as T;
  }

  /** Another npm cache from now on: an empty one. */
  forget(): void {
    rmSync(join(this.home, 'npm-cache'), { recursive: true, force: true });
  }

  write(path: string, content: string): void {
    const full = join(this.home, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, content);
  }

  read(path: string): string {
    return readFileSync(join(this.home, path), 'utf8');
  }

  /** A new folder below the home with these files. */
  folder(files: Readonly<Record<string, string>> = {}): string {
    const name = `folder-${this.count++}`;
    mkdirSync(join(this.home, name));
    for (const [path, content] of Object.entries(files)) this.write(join(name, path), content);
    return join(this.home, name);
  }

  /** A folder with a package in it. */
  package(manifest: Manifest, files: Readonly<Record<string, string>> = {}): string {
    const index = `module.exports = ${JSON.stringify(`${manifest.name}@${manifest.version}`)};\n`;
    return this.folder({ 'package.json': `${JSON.stringify(manifest, null, 2)}\n`, 'index.js': index, ...files });
  }

  /** A folder with a project that depends on packages. */
  project(dependencies: Readonly<Record<string, string>>, more: object = {}): string {
    return this.folder({
      'package.json': JSON.stringify({ name: 'project', version: '1.0.0', private: true, dependencies, ...more }),
    });
  }

  async publish(manifest: Manifest, args: readonly string[] = [], files?: Readonly<Record<string, string>>): Promise<Finished> {
    return worked(await this.npm(['publish', ...args], this.package(manifest, files)));
  }

  /** What the `node` of this machine gets when it requires something in a folder. */
  async require(folder: string, specifier: string): Promise<unknown> {
    const script = `process.stdout.write(JSON.stringify(require(${JSON.stringify(specifier)})))`;
    return JSON.parse(worked(await run(process.execPath, ['-e', script], { cwd: folder, env: this.env() })).out);
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}
