import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deriveKeys, type Keys, secretProblem, unwrapKey, wrapKey } from '../../ts/auth/secret.js';
import { SECRET } from './rig.js';

const raw = (keys: Keys) => Object.values(keys).map((key) => (key as Keys['jwt']).export().toString('hex'));

describe("the operator's secret", () => {
  it.each([
    ['empty', ''],
    ['31 bytes', SECRET.slice(0, 31)],
    ['white space', ' '.repeat(64)],
    ['tabs and newlines', '\t\n'.repeat(40)],
    ['a newline at the end', `${SECRET}\n`],
    ['a space in front', ` ${SECRET}`],
    ['32 bytes with its white space only', 'abcdefgh ijklmnop qrstuvwx 12345'],
    ['one character', 'a'.repeat(64)],
    ['NUL bytes', new Uint8Array(64)],
    ['few characters', 'abcabdabeabcabdacabeabdabcabeabd'],
    ['a short piece again and again', 'Sup3rS3cr3t!'.repeat(4)],
    ['changeme', 'changeme-changeme-please-change-me-1'],
    ['Change-Me', 'Please-Change-Me-0987654321-qwertz'],
    ['your secret', 'your-super-secret-jwt-key-for-production'],
    ['digits in order', '0123456789abcdef0123456789abcdef'],
  ])('A3: refuses %s', (_, secret) => {
    expect(secretProblem(secret)).toBeDefined();
    expect(() => deriveKeys(secret, 'auth.jwtSecret')).toThrowError(expect.objectContaining({ name: 'ConfigError' }));
    try {
      deriveKeys(secret, 'auth.jwtSecret');
    } catch (error) {
      expect((error as { problems: unknown[] }).problems).toMatchObject([{ path: 'auth.jwtSecret' }]);
      if (secret.length > 0 && typeof secret === 'string' && secret.trim() !== '')
        expect(String(error)).not.toContain(secret.trim());
    }
  });

  it('accepts random bytes and random text of at least 32 bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 48, maxLength: 64 }), (seed) => {
        const random = crypto.getRandomValues(new Uint8Array(seed.length));
        expect(secretProblem(Buffer.from(random).toString('base64url'))).toBeUndefined();
        expect(secretProblem(Buffer.from(random).toString('hex'))).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  it("gives keys that differ from each other and from another secret's, and never the secret", () => {
    const [one, again, other] = [raw(deriveKeys(SECRET)), raw(deriveKeys(SECRET)), raw(deriveKeys(`${SECRET}x`))];
    expect(again).toEqual(one);
    expect(new Set([...one, ...other]).size).toBe(one.length + other.length);
    for (const key of one) expect(key).toHaveLength(64);
    expect(one.join()).not.toContain(Buffer.from(SECRET).toString('hex').slice(0, 16));
  });

  it('is frozen: these keys were derived by the first release', () => {
    expect(raw(deriveKeys(SECRET)).map((key) => key.slice(0, 16))).toMatchInlineSnapshot(`
      [
        "2111e1227612ee96",
        "90358167ea0d4cd2",
        "5fa2744f148ea582",
        "ba32003cad686ce6",
        "788729996312e07c",
      ]
    `);
  });
});

describe('wrapped keys', () => {
  const keys = deriveKeys(SECRET);
  const key = new TextEncoder().encode('-----BEGIN PRIVATE KEY----- canary');

  it('come back as they were, and do not show what is inside', () => {
    const wrapped = wrapKey(keys, 'npm-signatures', key);
    expect(JSON.stringify(wrapped)).not.toContain(Buffer.from(key).toString('base64url').slice(0, 12));
    expect(unwrapKey(keys, 'npm-signatures', JSON.parse(JSON.stringify(wrapped)))).toEqual(key);
    expect(wrapKey(keys, 'npm-signatures', key).data).not.toBe(wrapped.data);
  });

  it('are refused for another purpose, under another secret, and when any bit is different', () => {
    const wrapped = wrapKey(keys, 'a', key);
    expect(unwrapKey(keys, 'b', wrapped)).toBeUndefined();
    expect(unwrapKey(deriveKeys(`${SECRET}x`), 'a', wrapped)).toBeUndefined();
    for (const field of ['iv', 'data', 'tag'] as const) {
      const bytes = Buffer.from(wrapped[field], 'base64url');
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(unwrapKey(keys, 'a', { ...wrapped, [field]: flipped.toString('base64url') })).toBeUndefined();
      }
      expect(unwrapKey(keys, 'a', { ...wrapped, [field]: bytes.subarray(0, -1).toString('base64url') })).toBeUndefined();
      expect(unwrapKey(keys, 'a', { ...wrapped, [field]: '' })).toBeUndefined();
    }
  });
});
