import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCRIPTS } from '../../ts/server/ui-shell.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
const project = mkdtempSync(join(tmpdir(), 'entrepot-package-'));
let packed: readonly string[] = [];

function run(command: string, args: readonly string[], cwd = project): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 180_000 });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

beforeAll(() => {
  // What is built already is packed: `prepare` would build it once more.
  const [report] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], ROOT));
  packed = report.files.map(({ path }: { path: string }) => path);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true, type: 'module' }));
  run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', join(project, report.filename)]);
}, 300_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

describe('the packed package', () => {
  it('holds what is needed and nothing else', () => {
    expect(packed.filter((path) => !path.startsWith('dist/')).sort()).toEqual([
      'changelog.md',
      'license',
      'package.json',
      'readme.md',
    ]);
    expect(packed.filter((path) => path.startsWith('dist/') && !/\.(js|d\.ts)$/.test(path))).toEqual([]);
    expect(packed).toEqual(expect.arrayContaining(SCRIPTS.map((name) => `dist/server/ui/${name}`)));
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const installed = JSON.parse(readFileSync(join(project, 'node_modules', 'entrepot', 'package.json'), 'utf8'));
    expect(installed.dependencies).toEqual(dependencies);
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
    // Ends by itself: nothing keeps a process alive after destroy().
    expect(run(process.execPath, ['--input-type=module', '-e', program]).trim()).toBe('200');
    const [client, aside] = [join(project, 'node_modules', '@aws-sdk'), join(project, 'aside')];
    renameSync(client, aside);
    expect(run(process.execPath, ['--input-type=module', '-e', program]).trim()).toBe('200');
    renameSync(aside, client);
  });

  it('brings types that hold in a strict project', () => {
    mkdirSync(join(project, 'src'), { recursive: true });
    cpSync(fileURLToPath(new URL('sample.ts.txt', import.meta.url)), join(project, 'src', 'sample.ts'));
    mkdirSync(join(project, 'node_modules', '@types'), { recursive: true });
    for (const name of ['node'])
      cpSync(join(ROOT, 'node_modules', '@types', name), join(project, 'node_modules', '@types', name), { recursive: true });
    cpSync(join(ROOT, 'node_modules', 'undici-types'), join(project, 'node_modules', 'undici-types'), { recursive: true });
    const compilerOptions = {
      target: 'ES2022',
      module: 'NodeNext',
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      exactOptionalPropertyTypes: true,
      types: ['node'],
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }));
    expect(run(process.execPath, [TSC, '-p', project])).toBe('');
  });

  it('installs a command that runs', () => {
    expect(readdirSync(join(project, 'node_modules', '.bin'))).toContain('entrepot');
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(run(join(project, 'node_modules', '.bin', 'entrepot'), ['--version']).trim()).toBe(version);
  });
});
