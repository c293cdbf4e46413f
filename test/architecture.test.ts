import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { functionsOf, importsOf, withoutTextAndComments } from './architecture/read-source.js';

const TS = fileURLToPath(new URL('../ts', import.meta.url));
const ROOMS = 'lib errors storage log formats upstream auth packages http protocols smart-registry adapters server testing'.split(
  ' ',
);
const FILE_SOFT = 250;
const FILE_HARD = 400;
const FUNCTION_HARD = 60;

const files = readdirSync(TS, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(TS, join(entry.parentPath, entry.name)).split(sep).join('/'))
  .sort();
const source = new Map(files.map((file) => [file, readFileSync(join(TS, file), 'utf8')]));
const code = new Map([...source].map(([file, text]) => [file, withoutTextAndComments(text)]));

const roomOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] as string) : 'smart-registry');
const resolveImport = (file: string, specifier: string): string => join(dirname(file), specifier).replace(/\.js$/, '.ts');
const relativeImports = (file: string): string[] =>
  importsOf(source.get(file) as string)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => resolveImport(file, specifier));
const inCode = (pattern: RegExp, where: (file: string) => boolean): string[] =>
  [...code].flatMap(([file, text]) =>
    where(file)
      ? text.split('\n').flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}: ${line.trim().slice(0, 120)}`] : []))
      : [],
  );

describe('the project', () => {
  const ROOT = fileURLToPath(new URL('..', import.meta.url));

  it.skipIf(!existsSync(join(ROOT, '.git')))(
    'has at its top what every newcomer looks for, and nothing else (in a checkout: git knows)',
    () => {
      const tracked = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');
      expect([...new Set(tracked.map((path) => path.split('/')[0]))].sort()).toEqual(
        [
          '.ci',
          '.gitignore',
          'biome.json',
          'changelog.md',
          'docs',
          'license',
          'package-lock.json',
          'package.json',
          'readme.md',
        ].concat(['test', 'ts', 'tsconfig.json']),
      );
    },
  );

  it('is built by the compiler alone: what runs is what stands in the sources, file by file', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(scripts.build).toBe('tsc -p tsconfig.json');
  });
});

describe('the rooms', () => {
  it('are these and no others', () => {
    expect([...new Set(files.map(roomOf))].filter((room) => !ROOMS.includes(room))).toEqual([]);
    expect(files.length).toBeGreaterThan(30);
  });

  it('import only from themselves and from rooms to their left', () => {
    const wrong = files.flatMap((file) =>
      relativeImports(file)
        .filter((target) => target.startsWith('..') || ROOMS.indexOf(roomOf(target)) > ROOMS.indexOf(roomOf(file)))
        .map((target) => `${file} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('import files that exist, with their extension', () => {
    const wrong = files.flatMap((file) =>
      relativeImports(file)
        .filter((target) => !source.has(target))
        .map((target) => `${file} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('have protocols that do not know each other', () => {
    const protocolOf = (file: string) => /^protocols\/([^/]+)\//.exec(file)?.[1];
    const wrong = files.flatMap((file) => {
      const own = protocolOf(file);
      if (!own) return [];
      return relativeImports(file)
        .filter((target) => protocolOf(target) !== undefined && protocolOf(target) !== own)
        .map((target) => `${file} imports ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  it('have browser code that imports nothing but itself, and is imported by nobody', () => {
    const inBrowser = (file: string) => file.startsWith('server/ui/');
    const wrong = files.flatMap((file) =>
      importsOf(source.get(file) as string)
        .filter((specifier) => inBrowser(file) !== (specifier.startsWith('.') && inBrowser(resolveImport(file, specifier))))
        .map((specifier) => `${file} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
    expect(files.filter(inBrowser).length).toBeGreaterThan(10);
  });

  it('have browser code that never makes markup out of text', () => {
    const inBrowser = (file: string) => file.startsWith('server/ui/');
    const markup =
      /\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|eval|Function)\b/;
    expect(inCode(markup, inBrowser)).toEqual([]);
    expect(inCode(/\b(localStorage|document\.cookie|indexedDB)\b/, inBrowser)).toEqual([]);
  });

  it('import no circle of files, types included only where they are types', () => {
    const values = new Map(
      files.map((file) => [
        file,
        importsOf(source.get(file) as string, { types: false })
          .filter((specifier) => specifier.startsWith('.'))
          .map((specifier) => resolveImport(file, specifier)),
      ]),
    );
    const done = new Set<string>();
    const circles: string[] = [];
    const walk = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      else if (!done.has(file)) {
        for (const next of values.get(file) ?? []) walk(next, [...path, file]);
        done.add(file);
      }
    };
    for (const file of files) walk(file, []);
    expect(circles).toEqual([]);
  });
});

describe('the composition root', () => {
  const CONSTRUCTED =
    /\bnew\s+(\w*Driver|\w*Space|\w*Repository|AuthManager|(?!Guarded)\w*Provider|DriverObjectStore|SmartRegistry|Users|UserDirectory)\s*[(<]/;

  it('alone constructs drivers, spaces, repositories, providers and managers', () => {
    const left = (file: string) => ROOMS.indexOf(roomOf(file)) < ROOMS.indexOf('smart-registry');
    expect(inCode(CONSTRUCTED, left)).toEqual([]);
  });

  it('does construct them', () => {
    expect(inCode(CONSTRUCTED, (file) => roomOf(file) === 'smart-registry').length).toBeGreaterThan(2);
  });

  it('is entered through an index that only re-exports', () => {
    const rest = (code.get('index.ts') as string).replace(/export\s+(type\s+)?(\{[^}]*\}|\*)\s+from\s*''\s*;/g, '').trim();
    expect(rest).toBe('');
  });
});

describe('the budgets', () => {
  it(`keep every file within ${FILE_HARD} lines`, () => {
    const lengths = [...source].map(([file, text]) => ({ file, lines: text.split('\n').length - 1 }));
    const long = lengths.filter(({ lines }) => lines > FILE_SOFT).sort((a, b) => b.lines - a.lines);
    if (long.length > 0)
      console.log(`files beyond ${FILE_SOFT} lines:\n${long.map(({ file, lines }) => `  ${lines} ${file}`).join('\n')}`);
    expect(long.filter(({ lines }) => lines > FILE_HARD)).toEqual([]);
  });

  it(`keep every function within ${FUNCTION_HARD} lines`, () => {
    const found = [...source].flatMap(([file, text]) => functionsOf(text).map((one) => ({ file, ...one })));
    expect(found.length).toBeGreaterThan(100);
    expect(
      found.filter(({ lines }) => lines > FUNCTION_HARD).map(({ file, line, lines }) => `${file}:${line} has ${lines}`),
    ).toEqual([]);
  });
});

describe('names and sources of chance', () => {
  it('call no file after what it is not', () => {
    expect(files.filter((file) => /^(utils?|helpers?|common|misc|managers?|shared|stuff)([.-]|$)/.test(basename(file)))).toEqual(
      [],
    );
  });

  it('take clock, timers and randomness from a Runtime', () => {
    const chance = /\b(Date\.now|Math\.random|performance\.now|setTimeout|setInterval|process\.hrtime)\b|\bnew Date\(\s*\)/;
    expect(inCode(chance, (file) => file !== 'lib/clock.ts')).toEqual([]);
  });

  it('draw random bytes in lib/clock.ts only', () => {
    const draw = /\b(randomBytes|randomUUID|getRandomValues|randomInt|randomFill)\b/;
    expect(inCode(draw, (file) => file !== 'lib/clock.ts')).toEqual([]);
  });

  it('open sockets, processes and files only in the rooms that are for it', () => {
    const allowed = new Map([
      ['node:fs', ['storage', 'smart-registry', 'server', 'testing']],
      ['node:fs/promises', ['storage', 'smart-registry', 'server', 'testing']],
      ['node:dns', ['upstream']],
      ['node:tls', ['storage']],
      ['node:http', ['upstream', 'storage', 'adapters', 'server']],
      ['node:https', ['upstream', 'storage']],
      ['node:cluster', ['server']],
      ['node:child_process', []],
      ['node:worker_threads', ['auth', 'formats']],
    ]);
    const KNOWN =
      /^node:(assert|assert\/strict|async_hooks|buffer|crypto|events|module|net|os|path|stream|stream\/promises|stream\/web|string_decoder|timers\/promises|tty|url|util|zlib)$/;
    const wrong = files.flatMap((file) =>
      importsOf(source.get(file) as string)
        .filter((specifier) => specifier.startsWith('node:'))
        .filter(
          (specifier) =>
            !(allowed.get(specifier)?.includes(roomOf(file)) ?? (KNOWN.test(specifier) && specifier !== 'node:timers/promises')),
        )
        .map((specifier) => `${file} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it('use the packages that package.json names, and all of them', () => {
    const dependencies = Object.keys(JSON.parse(readFileSync(join(TS, '../package.json'), 'utf8')).dependencies);
    const outside = files.flatMap((file) =>
      importsOf(source.get(file) as string)
        .filter((specifier) => !/^(node:|\.)/.test(specifier))
        .map((specifier) => ({ file, specifier })),
    );
    const packageName = (specifier: string) =>
      specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
    expect(outside.filter(({ specifier }) => !dependencies.includes(packageName(specifier)))).toEqual([]);
    expect(dependencies.filter((name) => !outside.some(({ specifier }) => packageName(specifier) === name))).toEqual([]);
  });

  it('reach the S3 client from no entry point without an import() in between', () => {
    const reached = new Set<string>();
    const outside = new Set<string>();
    const walk = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const specifier of importsOf(source.get(file) ?? '', { types: false, lazy: false }))
        if (specifier.startsWith('.')) walk(resolveImport(file, specifier));
        else outside.add(specifier);
    };
    for (const entry of ['index.ts', 'adapters/node.ts', 'adapters/fetch.ts', 'testing/index.ts', 'server/cli.ts']) walk(entry);
    expect([...outside].filter((specifier) => specifier.startsWith('@aws-sdk/') || specifier.startsWith('@smithy/'))).toEqual([]);
  });

  it('write no `any`, no non-null `!`, no ts-ignore', () => {
    expect(inCode(/[:<,(|&]\s*any\b\s*[;,)>=|&[\]{]|\bas any\b/, () => true)).toEqual([]);
    expect([...source].filter(([, text]) => /@ts-(ignore|nocheck|expect-error)/.test(text)).map(([file]) => file)).toEqual([]);
  });
});

describe('the tests', () => {
  it('register hooks in test files only: a module that several files share is read once in a process', () => {
    const tests = dirname(fileURLToPath(import.meta.url));
    const hooked = readdirSync(tests, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== 'set-up.ts')
      .filter((name) => /^(?:before|after)(?:Each|All)\(/m.test(readFileSync(join(tests, name), 'utf8')));
    expect(hooked).toEqual([]);
  });
});
