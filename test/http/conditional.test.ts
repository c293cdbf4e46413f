import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate, rangeApplies } from '../../ts/http/conditional.js';
import { headersOf } from '../../ts/http/headers.js';

const modified = new Date('2024-05-01T10:00:00.500Z');
const same = 'Wed, 01 May 2024 10:00:00 GMT';
const before = 'Wed, 01 May 2024 09:59:59 GMT';
const after = 'Wed, 01 May 2024 10:00:01 GMT';
const verdict = (headers: Record<string, string>, etags = ['a', 'a-gzip'], lastModified: Date | undefined = modified) =>
  evaluate(headersOf(headers), { etags, lastModified }).type;

describe('preconditions (RFC 9110 §13)', () => {
  it.each([
    [{}, 'proceed'],
    [{ 'if-none-match': '"a"' }, 'fresh'],
    [{ 'if-none-match': 'W/"a"' }, 'fresh'],
    [{ 'if-none-match': '"x", "a-gzip"' }, 'fresh'],
    [{ 'if-none-match': '*' }, 'fresh'],
    [{ 'if-none-match': '"b"' }, 'proceed'],
    [{ 'if-none-match': 'a' }, 'proceed'],
    [{ 'if-none-match': '"b"', 'if-modified-since': after }, 'proceed'],
    [{ 'if-modified-since': same }, 'fresh'],
    [{ 'if-modified-since': after }, 'fresh'],
    [{ 'if-modified-since': before }, 'proceed'],
    [{ 'if-modified-since': '2024-05-02' }, 'proceed'],
    [{ 'if-modified-since': 'yesterday' }, 'proceed'],
    [{ 'if-match': '"a"' }, 'proceed'],
    [{ 'if-match': '*' }, 'proceed'],
    [{ 'if-match': 'W/"a"' }, 'failed'],
    [{ 'if-match': '"b"' }, 'failed'],
    [{ 'if-match': '"a"', 'if-none-match': '"a"' }, 'fresh'],
    [{ 'if-match': '"a"', 'if-unmodified-since': before }, 'proceed'],
    [{ 'if-unmodified-since': before }, 'failed'],
    [{ 'if-unmodified-since': same }, 'proceed'],
  ])('%j → %s', (headers, expected) => {
    expect(verdict(headers as Record<string, string>)).toBe(expected);
  });

  it('content without validators is never fresh but for *', () => {
    const bare = (headers: Record<string, string>) => evaluate(headersOf(headers), { etags: [], lastModified: undefined }).type;
    expect(bare({ 'if-none-match': '"a"' })).toBe('proceed');
    expect(bare({ 'if-modified-since': after })).toBe('proceed');
    expect(bare({ 'if-none-match': '*' })).toBe('fresh');
  });

  it('a client that sends back any list with our etag in it is told 304, and with none of ours never', () => {
    const tag = fc.stringMatching(/^[a-z0-9,;*/-]{0,12}$/);
    fc.assert(
      fc.property(fc.array(tag, { maxLength: 5 }), tag, (others, ours) => {
        const header = others.map((etag) => `"${etag}"`).join(', ');
        if (others.length === 0) return;
        expect(verdict({ 'if-none-match': header }, [ours])).toBe(others.includes(ours) ? 'fresh' : 'proceed');
      }),
    );
  });
});

describe('If-Range (RFC 9110 §13.1.5)', () => {
  const applies = (value: string) => rangeApplies(headersOf({ 'if-range': value }), 'a', modified);
  it('holds for the very etag or the very date, and for nothing else', () => {
    expect(applies('"a"')).toBe(true);
    expect(applies('"b"')).toBe(false);
    expect(applies('W/"a"')).toBe(false);
    expect(applies(same)).toBe(true);
    expect(applies(after)).toBe(false);
    expect(applies('junk')).toBe(false);
    expect(rangeApplies(headersOf({}), undefined, undefined)).toBe(true);
  });
});
