import { validateHeaderValue } from 'node:http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headersOf, ResponseHeaders, safeReason, safeValue } from '../../ts/http/headers.js';
import { textOf, toy } from './toy.js';

describe('request headers', () => {
  it('are found by any spelling, joined where repeated, and never on the prototype', () => {
    for (const record of [
      { 'x-a': ['1', '2'], host: 'h' },
      { 'X-A': ['1', '2'], Host: 'h' },
      { 'X-A': '1', 'x-a': '2', HOST: 'h' },
    ]) {
      const headers = headersOf(record);
      expect([headers.get('x-a'), headers.get('X-A'), headers.get('Host')]).toEqual(['1, 2', '1, 2', 'h']);
      expect(headers.get('constructor')).toBeUndefined();
      expect(headers.get('__proto__')).toBeUndefined();
    }
  });
});

describe('response headers', () => {
  it('H1: any value becomes one that Node and fetch send, without splitting', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (value) => {
        const safe = safeValue(value);
        validateHeaderValue('X', safe);
        new Headers({ x: safe });
        expect(safe).not.toMatch(/[\r\n\0]/);
        expect(safeReason(value)).toMatch(/^[\x20-\x7e]*$/);
      }),
    );
    expect(safeValue('a\r\nX: y')).toBe('a%0D%0AX: y');
    expect(safeValue('ü\ud800')).toBe('%C3%BC%EF%BF%BD');
  });

  it('H1: CR and LF in a value that comes from the path reach no header', async () => {
    const t = toy();
    const echo = await t.ask({ path: '/-/text/a%0d%0aSet-Cookie:%20x' });
    expect(echo.status).toBe(200);
    expect(echo.headers['Toy-Echo']).toBe('a%0D%0ASet-Cookie: x');
    const moved = await t.ask({ path: '/-/moved/x%0aé'.replace('é', '%C3%A9') });
    expect(moved.headers['Location']).toBe('http://toys.example/toy/x%0A%C3%A9');
    expect(await textOf(moved)).toBe('');
  });

  it('keep one spelling per name and leave bad names out', () => {
    const headers = new ResponseHeaders();
    headers.set('ETag', '"a"');
    headers.setAll({ etag: '"b"', 'bad name': 'x', 'X-\r\nY': 'z', 'Docker-Upload-UUID': 'u' });
    headers.vary(['Accept']);
    headers.vary(['accept', 'Authorization']);
    expect(headers.record()).toEqual({ ETag: '"b"', 'Docker-Upload-UUID': 'u', Vary: 'Accept, Authorization' });
  });
});
