import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { RegistryError } from '../../ts/errors/registry-error.js';
import { parseJson } from '../../ts/formats/json.js';
import { awaited, inPieces } from '../formats/pieces.js';

const CORPUS = fileURLToPath(new URL('corpus/json/', import.meta.url));
const names = readdirSync(CORPUS);

describe('P3: the JSON corpus', () => {
  it('has files', () => expect(names.length).toBeGreaterThan(10));

  it.each(names)('%s is refused by both readers, in pieces of any size', async (name) => {
    const bytes = readFileSync(CORPUS + name);
    expect(() => parseJson(bytes)).toThrow(RegistryError);
    for (const size of [1, 3, 65_536]) {
      const read = async () => {
        const reader = awaited(inPieces(bytes, size));
        await reader.json(1024 ** 2);
        await reader.end();
      };
      await expect(read()).rejects.toBeInstanceOf(RegistryError);
    }
  });
});
