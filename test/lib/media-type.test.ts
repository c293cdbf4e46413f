import { describe, expect, it } from 'vitest';
import { essenceOf, isJsonType, parseMediaType } from '../../ts/lib/media-type.js';

describe('media types', () => {
  it('are read with their parameters', () => {
    const type = parseMediaType('Multipart/Form-Data; Boundary="a;b\\"c"; charset=utf-8; boundary=second');
    expect(type?.essence).toBe('multipart/form-data');
    expect([...(type?.parameters ?? [])]).toEqual([
      ['boundary', 'a;b"c'],
      ['charset', 'utf-8'],
    ]);
  });
  it.each(['', 'json', '/json', 'a/', 'a b/c', 'a/b/c', `a/${'b'.repeat(2000)}`])('%j is none', (text) => {
    expect(parseMediaType(text)).toBeUndefined();
    expect(essenceOf(text)).toBe('');
  });
  it('JSON has many names', () => {
    expect(['application/json', 'application/vnd.npm.install-v1+json', 'text/plain', ''].map(isJsonType)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});
