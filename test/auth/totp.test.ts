import { describe, expect, it } from 'vitest';
import { codeAt, otpauthUrl, stepAt, stepOfCode } from '../../ts/auth/totp.js';

/** RFC 6238, appendix B: SHA-1, eight digits there, of which ours are the last six. */
const SECRET = Buffer.from('12345678901234567890');
const VECTORS: readonly (readonly [seconds: number, digits: string])[] = [
  [59, '94287082'],
  [1111111109, '07081804'],
  [1111111111, '14050471'],
  [1234567890, '89005924'],
  [2000000000, '69279037'],
  [20000000000, '65353130'],
];

describe('time-based one-time passwords', () => {
  it.each(VECTORS)('at second %i are those of RFC 6238', (seconds, digits) => {
    expect(codeAt(SECRET, stepAt(seconds * 1_000))).toBe(digits.slice(2));
  });

  it('RFC 4226, appendix D: the first ten', () => {
    const expected = ['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583', '399871', '520489'];
    expect(expected.map((_, step) => codeAt(SECRET, step))).toEqual(expected);
  });

  it('are good one step early and late, no further, and never at or before a used one', () => {
    const now = 1_000_000 * 30_000 + 17_000;
    const at = (step: number, used = -1) => stepOfCode(SECRET, codeAt(SECRET, 1_000_000 + step), now, used);
    expect([-2, -1, 0, 1, 2].map((step) => at(step))).toEqual([undefined, 999_999, 1_000_000, 1_000_001, undefined]);
    expect(at(0, 1_000_000)).toBeUndefined();
    expect(at(-1, 1_000_000)).toBeUndefined();
    expect(at(1, 1_000_000)).toBe(1_000_001);
  });

  it('are told to apps as a URL', () => {
    const url = new URL(otpauthUrl('house', 'bob@mail', SECRET));
    expect([url.protocol, url.host, decodeURIComponent(url.pathname)]).toEqual(['otpauth:', 'totp', '/house:bob@mail']);
    expect(Object.fromEntries(url.searchParams)).toEqual({ secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', issuer: 'house' });
  });
});
