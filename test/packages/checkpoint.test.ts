import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { publishChange } from '../../ts/packages/changes.js';
import { anyEntry, fileNamed, fold, plain } from './changes.js';
import { plainSchema } from './plain-protocol.js';

describe('checkpoints', () => {
  it('INV6: a decoded state is the encoded one, and folding on from it equals folding from the start', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 30 }), fc.nat(30), (entries, cut) => {
        const head = entries.slice(0, cut);
        const middle = fold(plainSchema, head);
        const kept = plainSchema.decode(plainSchema.encode(middle));
        expect(plain(kept)).toEqual(plain(middle));
        expect(plainSchema.encode(kept)).toEqual(plainSchema.encode(middle));
        const whole = fold(plainSchema, entries);
        const resumed = fold(plainSchema, entries.slice(cut), { state: kept, n: head.length });
        expect(plain(resumed)).toEqual(plain(whole));
        expect(plainSchema.weigh(resumed)).toBe(plainSchema.weigh(whole));
      }),
      { numRuns: 300 },
    );
  });

  const large = () =>
    fold(plainSchema, [
      Array.from({ length: 10_000 }, (_, n) =>
        publishChange('ann', {
          version: `1.${n}.0`,
          manifest: JSON.stringify({ version: `1.${n}.0`, text: 'x'.repeat(400) }),
          files: [fileNamed(`p-1.${n}.0.tgz`)],
        }),
      ),
    ]);

  it('manifests of 10,000 releases are neither parsed nor copied when a checkpoint is read', () => {
    const bytes = plainSchema.encode(large());
    const parse = JSON.parse;
    let parsed = 0;
    let buffers = 0;
    JSON.parse = (text, reviver) => {
      parsed++;
      return parse(text, reviver);
    };
    try {
      const state = plainSchema.decode(bytes);
      for (const { manifest } of state.releases.values()) {
        if (!manifest || !('bytes' in manifest)) throw new Error('a manifest was lost');
        if (manifest.bytes.buffer !== bytes.buffer) buffers++;
      }
      expect(state.releases.size).toBe(10_000);
    } finally {
      JSON.parse = parse;
    }
    expect([parsed, buffers]).toEqual([1, 0]);
  });

  it('weighs about what it holds', () => {
    const state = large();
    const held = plainSchema.encode(state).byteLength;
    expect(plainSchema.weigh(state)).toBeGreaterThan(held * 0.8);
    expect(plainSchema.weigh(state)).toBeLessThan(held * 4);
  });

  it.each([0, 3, 4, 40, -1])('bytes cut off at %s are refused, and so are left-overs', (end) => {
    const bytes = plainSchema.encode(fold(plainSchema, [[publishChange('ann', { version: '1', manifest: '{"a":1}' })]]));
    expect(() => plainSchema.decode(bytes.subarray(0, end))).toThrow();
    expect(() => plainSchema.decode(Buffer.concat([bytes, Buffer.from('x')]))).toThrow();
  });
});
