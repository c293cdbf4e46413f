import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const TS = fileURLToPath(new URL('../../ts', import.meta.url));
const STATIC = /^(?:import|export) (?!type\b)[^;]*?from '(\.[^']+)\.js';$/gm;
/** Code of others, which is many files: Node's own aside. */
const OUTSIDE = /^(?:import|export) (?!type\b)[^;]*?from '((?!\.|node:)[^']+)';$/gm;

/** What is loaded with these modules, whether or not anybody asks for it. */
function loadedWith(entries: readonly string[]): ReadonlySet<string> {
  const found = new Set(entries.map((entry) => join(TS, entry)));
  for (const file of found)
    for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(STATIC)) found.add(`${join(dirname(file), name)}.ts`);
  return new Set([...found].map((file) => relative(TS, file)));
}

it('a server that starts loads what its first answers need, and not what reads or changes packages or looks after the storage', () => {
  const loaded = loadedWith(['server/program.ts', 'server/run.ts', 'compose-folder.ts', 'compose-folder-secret.ts']);
  expect(loaded).toContain('protocols/npm/routes.ts');
  expect(loaded).toContain('protocols/oci/routes.ts');
  expect(loaded).toContain('http/dispatch.ts');
  // each costs half a millisecond, and each import of one that is there already an eighth: see the start's row in the table of performance
  expect(loaded.size).toBeLessThanOrEqual(170);
  const needless =
    /^(formats\/(tar|gzip|base64|json-stream)|protocols\/npm\/(publish|documents|search|organisations|profile|life-cycle|access|tags|read|views|render|manifest|management|account|audit|confirmation|signer|people|versions)\b(?!-routes)|protocols\/oci\/(publish|uploads|tokens|referrers|catalog|collect-garbage|read|blobs|manifest|management)|packages\/(verify|collect-garbage|upload-session|search)|storage\/(drivers\/(s3|memory)|probe-(folder|contract|s3))|server\/(commands|house|house-keeping|help|management)\.)/;
  expect([...loaded].filter((file) => needless.test(file))).toEqual([]);
  const outside = [...loaded].flatMap((file) =>
    [...readFileSync(join(TS, file), 'utf8').matchAll(OUTSIDE)].map(([, name = '']) => name),
  );
  expect(outside).toEqual([]);
});
