import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type Finished, refused, run, worked } from './processes.js';
import { ociProgram, required } from './programs.js';

export interface OciRun {
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly seconds?: number;
}

const STORAGE = (home: string): string => `[storage]
driver = "vfs"
graphroot = "${home}/storage/graph"
runroot = "${home}/storage/run"
`;
const CONTAINERS = (home: string): string => `[engine]
events_logger = "none"
lock_type = "file"
cgroup_manager = "cgroupfs"
tmp_dir = "${home}/storage/tmp"
`;

/** A machine with container clients: their images, logins and caches are its own. */
export class OciMachine {
  // Short, because sockets lie below it.
  readonly home: string = mkdtempSync(join(tmpdir(), 'oci-'));

  constructor() {
    for (const folder of ['run', 'docker']) mkdirSync(join(this.home, folder));
    this.write('storage.conf', STORAGE(this.home));
    this.write('containers.conf', CONTAINERS(this.home));
    this.write('registries.conf', '');
    this.write('auth.json', '{"auths":{}}');
    this.write('.config/containers/policy.json', '{"default":[{"type":"insecureAcceptAnything"}]}');
  }

  env(): Record<string, string> {
    const at = (name: string): string => join(this.home, name);
    return {
      PATH: [...(process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules')), '/usr/sbin'].join(
        delimiter,
      ),
      HOME: this.home,
      TMPDIR: this.home,
      XDG_CACHE_HOME: at('cache'),
      XDG_CONFIG_HOME: at('.config'),
      XDG_DATA_HOME: at('data'),
      XDG_RUNTIME_DIR: at('run'),
      DOCKER_CONFIG: at('docker'),
      REGISTRY_AUTH_FILE: at('auth.json'),
      REGCTL_CONFIG: at('regctl.json'),
      CONTAINERS_CONF: at('containers.conf'),
      CONTAINERS_STORAGE_CONF: at('storage.conf'),
      CONTAINERS_REGISTRIES_CONF: at('registries.conf'),
      NO_COLOR: '1',
      LC_ALL: 'C',
    };
  }

  /** Runs a client to its end. */
  run(program: string, args: readonly string[], { input, cwd, env, seconds }: OciRun = {}): Promise<Finished> {
    return run(required(program, ociProgram(program), '.ci/install-oci-clients'), args, {
      cwd: cwd ?? this.home,
      env: { ...this.env(), ...env },
      ...(input === undefined ? {} : { input }),
      ...(seconds === undefined ? {} : { seconds }),
    });
  }

  /** Runs a client, which must succeed; resolves with what it wrote to standard output. */
  async out(program: string, args: readonly string[], options?: OciRun): Promise<string> {
    return worked(await this.run(program, args, options)).out;
  }

  /** Runs a client, which must fail; resolves with all that it wrote. */
  async fails(program: string, args: readonly string[], options?: OciRun): Promise<string> {
    return refused(await this.run(program, args, options)).all;
  }

  /** A path below the home that nothing has been written to. */
  path(name: string): string {
    return join(this.home, name);
  }

  write(name: string, content: string | Uint8Array): string {
    const path = this.path(name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Lines that are not empty. */
export const lines = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');
