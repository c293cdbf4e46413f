import { describe, expect, it } from 'vitest';
import { baseUrlOf, isHost, outsideOf } from '../../ts/http/base-url.js';
import { headersOf } from '../../ts/http/headers.js';
import { locate, parseTarget } from '../../ts/http/target.js';
import { networks } from '../../ts/lib/cidr.js';

const trusted = networks(['10.0.0.0/8', '::1']);
const outside = (headers: Record<string, string | string[]>, address: string | undefined = '10.0.0.1', encrypted = false) =>
  outsideOf(headersOf({ host: 'inner.example', ...headers }), { address, encrypted }, trusted);

describe('what the outside looks like', () => {
  it('is the Host header for peers that are not trusted', () => {
    const headers = {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      'x-forwarded-for': '1.2.3.4',
      forwarded: 'host=evil.example',
    };
    expect(outside(headers, '203.0.113.9')).toEqual({ origin: 'http://inner.example', prefix: '', address: '203.0.113.9' });
    expect(outsideOf(headersOf({ host: 'inner.example', ...headers }), {}, trusted).origin).toBe('http://inner.example');
    expect(outside({}, '203.0.113.9', true).origin).toBe('https://inner.example');
  });

  it('is what trusted proxies say', () => {
    const said = {
      'x-forwarded-host': 'packages.example:8443',
      'x-forwarded-proto': 'https',
      'x-forwarded-for': '198.51.100.7',
      'x-forwarded-prefix': '/pkg/',
    };
    expect(outside(said)).toEqual({ origin: 'https://packages.example:8443', prefix: '/pkg', address: '198.51.100.7' });
    expect(outside(said, '::ffff:10.1.2.3').address).toBe('198.51.100.7');
    expect(outside({ forwarded: 'for="[2001:db8::1]:4711";proto=https;host="p.example"' })).toEqual({
      origin: 'https://p.example',
      prefix: '',
      address: '2001:db8::1',
    });
  });

  it('walks back from the right over all lines, and stops at the first that is not trusted', () => {
    expect(outside({ 'x-forwarded-for': ['6.6.6.6', '198.51.100.7, 10.0.0.9'] }).address).toBe('198.51.100.7');
    expect(outside({ 'x-forwarded-for': '6.6.6.6, garbage, 10.0.0.9' }).address).toBe('10.0.0.9');
    expect(outside({ 'x-forwarded-for': '10.0.0.3, 10.0.0.2' }).address).toBe('10.0.0.3');
  });

  it('takes host and scheme from the outermost trusted proxy, not from what the client has put in front', () => {
    const appended = {
      'x-forwarded-for': '6.6.6.6, 198.51.100.7',
      'x-forwarded-host': 'evil.example, packages.example',
      'x-forwarded-proto': 'http, https',
    };
    expect(outside(appended).origin).toBe('https://packages.example');
    const chain = {
      'x-forwarded-for': '6.6.6.6, 198.51.100.7, 10.0.0.2',
      'x-forwarded-host': 'evil.example, packages.example, inner2.example',
    };
    expect(outside(chain).origin).toBe('http://packages.example');
  });

  it('ignores forwarded values that are malformed, and refuses a malformed Host', () => {
    for (const host of ['evil.example/path', 'a b', 'a@b', '"><script>', 'x:99999999', '', 'a\u0000']) {
      expect(outside({ 'x-forwarded-host': host }).origin).toBe('http://inner.example');
      expect(isHost(host)).toBe(false);
      expect(() => outsideOf(headersOf({ host }), {}, trusted)).toThrow(expect.objectContaining({ kind: 'invalid' }));
    }
    expect(outside({ 'x-forwarded-prefix': '//evil.example' }).prefix).toBe('');
    expect(outside({ 'x-forwarded-proto': 'javascript' }).origin).toBe('http://inner.example');
    for (const host of ['localhost', '127.0.0.1:8080', '[::1]:80', 'a_b.example.']) expect(isHost(host)).toBe(true);
  });
});

describe('base URL', () => {
  const seen = { origin: 'https://h.example', prefix: '/proxy' };
  it('is the repository’s own, else the host’s, else what the request shows', () => {
    const base = { mount: '/npm', hostPrefix: '/app' };
    expect(baseUrlOf(seen, { ...base, registryUrl: 'https://npm.example/x/', publicUrl: 'https://p.example' })).toBe(
      'https://npm.example/x',
    );
    expect(baseUrlOf(seen, { ...base, publicUrl: 'https://p.example/r/' })).toBe('https://p.example/r/npm');
    expect(baseUrlOf(seen, base)).toBe('https://h.example/proxy/app/npm');
    expect(baseUrlOf(seen, { mount: '', hostPrefix: '' })).toBe('https://h.example/proxy');
  });
});

describe('targets', () => {
  it('are taken apart by hand', () => {
    expect(parseTarget('/a/../b?x=1?y#z')).toEqual({ path: '/a/../b', query: 'x=1?y' });
    expect(parseTarget('http://evil.example/a?b')).toEqual({ path: '/a', query: 'b' });
    expect(parseTarget('http://evil.example')).toEqual({ path: '/', query: '' });
    expect(parseTarget('//evil.example/x')).toEqual({ path: '//evil.example/x', query: '' });
    expect(parseTarget('?q')).toEqual({ path: '/', query: 'q' });
  });

  it.each([
    ['/npm/x', undefined, '/npm/x', ''],
    ['/npm/x', '/npm/x?a=1', '/npm/x', ''],
    ['/npm/x', '/app/npm/x?a=1', '/npm/x', '/app'],
    ['/', '/app', '/', '/app'],
    ['/', '/app/', '/', '/app'],
    ['/npm/@s/x', '/app/npm/@s%2fx', '/npm/@s%2fx', '/app'],
    ['/npm/ü', '/npm/%C3%BC', '/npm/%C3%BC', ''],
    ['/other', '/npm/x', '/npm/x', ''],
  ])('path %s of %s is %s below %s', (path, rawUrl, below, prefix) => {
    const located = locate({ path, query: { a: '1' }, ...(rawUrl !== undefined && { rawUrl }) });
    expect([located.path, located.prefix]).toEqual([below, prefix]);
  });
});
