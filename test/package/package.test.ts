import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { SCRIPTS } from '../../ts/server/ui-shell.js';
import { installed, ROOT, SETUP_MS } from '../hosts/installed.js';
import { project, scratch } from '../hosts/project.js';

/** Where npm has installed it. */
let folder = '';
beforeAll(() => {
  folder = installed();
}, SETUP_MS);

function run(command: string, args: readonly string[], cwd = folder): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 180_000 });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

describe('the packed package', () => {
  it('holds what is needed and nothing else', () => {
    const root = join(folder, 'node_modules', 'entrepot');
    const packed = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(root, path)).isFile());
    expect(packed.filter((path) => !path.startsWith('dist/')).sort()).toEqual([
      'changelog.md',
      'license',
      'package.json',
      'readme.md',
    ]);
    expect(packed.filter((path) => path.startsWith('dist/') && !/\.(js|d\.ts)$/.test(path))).toEqual([]);
    expect(packed).toEqual(expect.arrayContaining(SCRIPTS.map((name) => `dist/server/ui/${name}`)));
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies).toEqual(dependencies);
  });

  it('is imported by each of its four names, and by no other', () => {
    const program = `
      const names = {};
      for (const entry of ['entrepot', 'entrepot/adapters/node', 'entrepot/adapters/fetch', 'entrepot/testing'])
        names[entry] = Object.keys(await import(entry));
      const closed = await import('entrepot/dist/smart-registry.js').then(() => 'open', (error) => error.code);
      console.log(JSON.stringify({ names, closed }));`;
    const { names, closed } = JSON.parse(run(process.execPath, ['--input-type=module', '-e', program]));
    expect(names.entrepot).toEqual(
      expect.arrayContaining([
        'SmartRegistry',
        'ConfigError',
        'streamToBuffer',
        'streamToJson',
        'toReadableStream',
        'toNodeReadable',
      ]),
    );
    expect(names['entrepot/adapters/node']).toContain('toNodeHandler');
    expect(names['entrepot/adapters/fetch']).toContain('toFetchHandler');
    expect(names['entrepot/testing'].length).toBeGreaterThan(0);
    expect(closed).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it('loads neither the S3 client nor a server until asked', () => {
    const program = `
      import { SmartRegistry } from 'entrepot';
      const registry = new SmartRegistry({ storage: { driver: 'memory' }, npm: { enabled: true } });
      await registry.init();
      const { status } = await registry.handleRequest({ method: 'GET', path: '/npm/-/ping', headers: {}, query: {} });
      await registry.destroy();
      console.log(status);`;
    const [from, without] = [join(folder, 'node_modules'), scratch()];
    const into = join(without, 'node_modules');
    writeFileSync(join(without, 'package.json'), '{ "private": true, "type": "module" }');
    cpSync(join(from, 'entrepot'), join(into, 'entrepot'), { recursive: true });
    for (const name of readdirSync(from).filter((one) => !['entrepot', '@aws-sdk'].includes(one)))
      symlinkSync(join(from, name), join(into, name));
    // Ends by itself: nothing keeps a process alive after destroy().
    expect(run(process.execPath, ['--input-type=module', '-e', program], without).trim()).toBe('200');
  });

  it('brings types that hold in a strict project', () => {
    const { folder: user, compile } = project();
    cpSync(fileURLToPath(new URL('sample.ts.txt', import.meta.url)), join(user, 'src', 'sample.ts'));
    expect(readdirSync(compile(['sample'], { lib: ['ES2022', 'DOM', 'DOM.Iterable'] }))).toEqual(['sample.js']);
  });

  it('installs a command that runs', () => {
    expect(readdirSync(join(folder, 'node_modules', '.bin'))).toContain('entrepot');
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(run(join(folder, 'node_modules', '.bin', 'entrepot'), ['--version']).trim()).toBe(version);
  });
});
