import { describe, expect, it } from 'vitest';
import { acceptedCoding, negotiate } from '../../ts/http/negotiate.js';

const FULL = 'application/json';
const SHORT = 'application/vnd.npm.install-v1+json';
const HTML = 'text/html';

describe('Accept', () => {
  it.each([
    [undefined, FULL],
    ['', FULL],
    ['*/*', FULL],
    [SHORT, SHORT],
    [`${SHORT}; q=1.0, application/json; q=0.8, */*`, SHORT],
    [`${SHORT};q=0.5, application/json`, FULL],
    ['text/html', HTML],
    ['text/*', HTML],
    ['application/json;q=0, */*;q=0.1', SHORT],
    ['application/*;q=0.2, text/html;q=0.1', FULL],
    ['APPLICATION/JSON', FULL],
    ['image/png', undefined],
    ['application/json;q=0', undefined],
    ['application/json;q=nonsense', undefined],
    ['text/html;q=0.9;level="1,2", application/json;q=0.3', HTML],
    ['garbage', undefined],
  ])('%s', (header, expected) => {
    expect(negotiate(header, [FULL, SHORT, HTML])).toBe(expected);
  });
});

describe('Accept-Encoding', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['identity', undefined],
    ['gzip', 'gzip'],
    ['deflate, gzip', 'gzip'],
    ['gzip, deflate, br, zstd', 'br'],
    ['br;q=0.5, gzip', 'gzip'],
    ['gzip;q=0', undefined],
    ['gzip;q=0.5, identity', undefined],
    ['*', 'br'],
    ['*;q=0', undefined],
    ['br;q=0, *', 'gzip'],
    ['x-gzip', 'gzip'],
  ])('%s', (header, expected) => {
    expect(acceptedCoding(header)).toBe(expected);
  });
});
