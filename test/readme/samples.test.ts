import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CLI = join(ROOT, 'dist', 'server', 'cli.js');

interface Sample {
  readonly page: string;
  readonly line: number;
  readonly language: 'ts' | 'sh';
  readonly text: string;
}

const pages = [
  'readme.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => join('docs', name)),
].filter((name) => name.endsWith('.md'));

/** Fenced blocks that say `ts test` or `sh test`. */
const samples = pages.flatMap((page): Sample[] => {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(/^```(ts|sh) test\n([\s\S]*?)^```$/gm)].map((match) => ({
    page,
    line: text.slice(0, match.index).split('\n').length,
    language: match[1] as 'ts' | 'sh',
    text: match[2] as string,
  }));
});

// Inside the package's own folder, so that its name means itself.
mkdirSync(join(ROOT, '.tools'), { recursive: true });
const folder = mkdtempSync(join(ROOT, '.tools', 'samples-'));
const scratch = mkdtempSync(join(tmpdir(), 'entrepot-samples-'));
afterAll(() => {
  for (const made of [folder, scratch]) rmSync(made, { recursive: true, force: true });
});

const run = (program: string, args: readonly string[], options: { cwd: string; env?: Record<string, string> }) => {
  const env = { PATH: process.env['PATH'] ?? '', HOME: scratch, ...options.env };
  const { status, stdout, stderr } = spawnSync(program, [...args], { cwd: options.cwd, env, encoding: 'utf8', timeout: 60_000 });
  return { status, output: `${stdout}${stderr}` };
};
const fileOf = ({ page, line }: Sample): string => `${basename(page, '.md')}-${line}`;

const quick = process.env['REQUIRE_CLIENTS'] !== '1';
if (quick) console.log('skipped: samples for the shell, a process for each line; REQUIRE_CLIENTS=1 runs them');

describe('samples in the documentation', () => {
  const programs = samples.filter(({ language }) => language === 'ts');

  beforeAll(() => {
    mkdirSync(join(folder, 'src'));
    for (const sample of programs) writeFileSync(join(folder, 'src', `${fileOf(sample)}.ts`), sample.text);
    const compilerOptions = {
      target: 'ES2022',
      module: 'NodeNext',
      strict: true,
      exactOptionalPropertyTypes: true,
      types: ['node'],
      rootDir: 'src',
      outDir: 'out',
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }));
  });

  it('are there', () => {
    expect(programs.length).toBeGreaterThanOrEqual(5);
    expect(new Set(samples.map(({ page }) => page)).size).toBeGreaterThanOrEqual(4);
  });

  it('compile as they are written', () => {
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    expect(run(process.execPath, [tsc, '-p', folder], { cwd: ROOT })).toEqual({ status: 0, output: '' });
  });

  for (const sample of programs)
    it(`run: ${sample.page}, line ${sample.line}`, () => {
      const { status, output } = run(process.execPath, [join(folder, 'out', `${fileOf(sample)}.js`)], { cwd: scratch });
      expect({ status, output }).toMatchObject({ status: 0 });
    });

  for (const sample of samples.filter(({ language }) => language === 'sh'))
    it.skipIf(quick)(`run: ${sample.page}, line ${sample.line}`, () => {
      const bin = join(scratch, 'bin');
      mkdirSync(bin, { recursive: true });
      writeFileSync(join(bin, 'entrepot'), `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`);
      chmodSync(join(bin, 'entrepot'), 0o755);
      const cwd = mkdtempSync(join(scratch, 'shell-'));
      const { status, output } = run('bash', ['-euo', 'pipefail', '-c', sample.text], {
        cwd,
        env: { PATH: `${bin}:${process.env['PATH']}` },
      });
      expect({ status, output }).toMatchObject({ status: 0 });
    });
});

describe('what the documentation says of options', () => {
  const table = /^\| `--port`[\s\S]*?\n\n/m.exec(readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8'))?.[0] ?? '';
  const help = run(process.execPath, [CLI, 'serve', '--help'], { cwd: scratch }).output;

  it('names every flag and variable that the program knows, and no other', () => {
    const words = (text: string) =>
      [...new Set(text.match(/--[a-z-]+|\b(?:ENTREPOT_[A-Z_]+|PORT|HOST|LOG_FORMAT|LOG_LEVEL)\b/g))].sort();
    const known = words(help).filter((word) => word !== '--config');
    expect(known.length).toBeGreaterThan(15);
    expect(words(table)).toEqual(known);
  });
});

describe('links between pages', () => {
  it.each(pages)('%s leads somewhere', (page) => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const missing = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
      .map((match) => match[1] as string)
      .filter((target) => !pages.includes(join(page, '..', target).replace(/^\.\//, '')));
    expect(missing).toEqual([]);
  });
});
