import { join } from 'node:path';
import type { FamilyClient } from './family-clients.js';
import { type Finished, run, worked } from './processes.js';
import { clientProgram, required } from './programs.js';
import { Sandbox } from './sandbox.js';
import type { Site } from './setups.js';

/** A user's machine with one client of the family. */
export class Machine {
  readonly sandbox: Sandbox;
  private readonly client: FamilyClient;
  private readonly token: string;

  constructor(site: Pick<Site, 'registry' | 'adminToken'>, client: FamilyClient) {
    this.sandbox = new Sandbox(site.registry, site.adminToken);
    this.client = client;
    this.token = site.adminToken;
    client.settings?.(this.sandbox, site.adminToken);
  }

  run(args: readonly string[], cwd: string = this.sandbox.home): Promise<Finished> {
    const { program, env } = this.client;
    const own = { npm_config_minimum_release_age: '0', pnpm_config_minimum_release_age: '0', ...env?.(this.sandbox, this.token) };
    return run(required(program, clientProgram(program)), args, { cwd, env: this.sandbox.env(own) });
  }

  async publish(manifest: { readonly name: string; readonly version: string; readonly dependencies?: object }): Promise<void> {
    const folder = this.sandbox.package({ license: 'MIT', ...manifest }, this.client.files?.(this.sandbox));
    const commands = this.client.publish?.(manifest.version);
    if (commands) for (const args of commands) worked(await this.run(args, folder));
    else worked(await this.sandbox.npm(['publish'], folder));
  }

  async install(dependencies: Readonly<Record<string, string>>): Promise<string> {
    const files = this.client.files?.(this.sandbox);
    const manifest = { name: 'project', version: '1.0.0', private: true, license: 'MIT', dependencies };
    const folder = this.sandbox.folder({ ...files, 'package.json': JSON.stringify(manifest) });
    worked(await this.run(this.client.install, folder));
    return folder;
  }
}

/** What a package and what it depends on say of themselves. */
export async function loaded({ sandbox }: Machine, folder: string, top = '@team/top', leaf = 'leaf'): Promise<unknown> {
  const from = join(folder, 'node_modules', top, 'package.json');
  const script = `const from = require('module').createRequire(require('fs').realpathSync(${JSON.stringify(from)}));
    process.stdout.write(JSON.stringify([from('./index.js'), from(${JSON.stringify(leaf)})]));`;
  return JSON.parse(worked(await run(process.execPath, ['-e', script], { cwd: folder, env: sandbox.env() })).out);
}
