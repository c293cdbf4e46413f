import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalPath } from '../../ts/http/router.js';
import { boxOf, textOf, toy } from './toy.js';

const status = async (path: string, method = 'GET') => {
  const t = toy();
  t.source.boxes.set('open', boxOf('public'));
  const answer = await t.ask({ method, path });
  return { status: answer.status, opened: t.source.opened };
};

const TRAVERSALS = [
  '..',
  '../x',
  '%2e%2e',
  '%2E%2e/x',
  '.%2e',
  '..%2fx',
  '..%2Fx',
  '%2e%2e%2fx',
  '%2e%2e%5cx',
  '..\\x',
  '..%5cx',
  '..%5Cx',
  '.',
  '%2e',
  '..%00',
  '%00',
  'a%00b',
  '%0a',
  'a%0d%0ab',
  '%09/../x',
  '\t',
  'a b',
  '%ff',
  '%c0%ae%c0%ae%2f',
  '%c1%9c',
  '%e0%80%ae',
  '%',
  '%2',
  '%zz',
  '%u002e',
  '%252e%252e%252f',
  '%25%32%65',
  '..;/x',
  '..%3b/x',
  '/etc/passwd',
  '%2fetc%2fpasswd',
  '//x',
  'C:',
  'C:%5cx',
  '%5c%5c%3f%5cx',
  'x..',
  'x%2f..%2fy',
  'x/%2e%2e/y',
  '．．／x',
  '%ef%bc%8e%ef%bc%8e',
  'ｎame',
  '%e2%80%ae',
  '%7f',
  '~',
  '-',
  '_catalog',
  'Open',
  'open%20',
  'open.%2f',
  '....//',
  '..././',
  '%2e%2e;x',
  '\\\\?\\x',
  '#x',
  '?x',
  '*',
  'open%0',
  '%c3%28',
];

describe('hostile paths', () => {
  it.each(TRAVERSALS)(
    'N1: %j as a name or a file is 400 or 404 and opens no package but the one that it names',
    async (spelling) => {
      for (const path of [`/${spelling}`, `/${spelling}/-/x`]) {
        const { status: answered, opened } = await status(path);
        expect([path, [400, 404].includes(answered)]).toEqual([path, true]);
        for (const name of opened) expect(name).toMatch(/^read [a-z][a-z0-9._-]*$/);
      }
      const file = await status(`/open/-/${spelling}`);
      expect([200, 400, 404]).toContain(file.status);
      const decodesToDots = /(^|\/|%2f|%5c|\\)(\.|%2e){1,2}($|\/|\\|%2f|%5c)/i.test(spelling);
      if (decodesToDots) expect(file.status).toBe(400);
    },
  );

  it('N15: a path longer than 4,096 characters is 400', async () => {
    expect((await status(`/open/-/${'x'.repeat(4096)}`)).status).toBe(400);
    expect((await status(`/open/-/${'x'.repeat(4000)}`)).status).toBe(200);
  });

  it('N8: percent-encoding unreserved characters changes neither the decision nor the resource', async () => {
    const encode = (path: string, mask: boolean[], upper: boolean) =>
      [...path]
        .map((char, at) => {
          if (!mask[at] || !/[A-Za-z0-9._~-]/.test(char)) return char;
          const hex = char.charCodeAt(0).toString(16).padStart(2, '0');
          return `%${upper ? hex.toUpperCase() : hex}`;
        })
        .join('');
    const masks = fc.array(fc.boolean(), { minLength: 20, maxLength: 20 });
    const paths = fc.constantFrom('/open', '/-/ping', '/-/all', '/secret/-/a.tgz', '/open/owners', '/..');
    await fc.assert(
      fc.asyncProperty(paths, masks, fc.boolean(), async (path, mask, upper) => {
        const plain = await status(path);
        expect(await status(encode(path, mask, upper))).toEqual(plain);
      }),
      { numRuns: 60 },
    );
  });

  it('N10: repeated and trailing slashes lead nowhere', async () => {
    for (const path of ['//open', '/open/', '/open//owners', '/-//ping', '/./open', '/open/.']) {
      expect([400, 404]).toContain((await status(path)).status);
    }
  });

  it('decodes exactly once', async () => {
    const t = toy();
    expect(await textOf(await t.ask({ path: '/-/text/%2541' }))).toBe('"%41"');
    expect(await textOf(await t.ask({ path: '/-/text/a%2Fb%20c' }))).toBe('"a/b c"');
    expect(() => canonicalPath('/%%34%31')).toThrow('percent');
  });

  it('a placeholder that takes any text is given any text', async () => {
    expect(await textOf(await toy().ask({ path: '/-/text/a%5Cb%0A' }))).toBe('"a\\\\b\\n"');
  });
});

describe('methods', () => {
  it('H8: what no route knows is 404, what another method would answer 405 with Allow', async () => {
    const t = toy();
    expect((await t.ask({ path: '/a/b/c/d' })).status).toBe(404);
    for (const method of ['POST', 'PATCH', 'OPTIONS', 'TRACE', 'get', 'PROPFIND', '__proto__']) {
      const answer = await t.ask({ method, path: '/open' });
      expect(answer.status).toBe(405);
      expect(answer.headers['Allow']).toBe('GET, HEAD, PUT, DELETE');
    }
    expect((await t.ask({ method: 'DELETE', path: '/open', headers: { 'x-http-method-override': 'GET' } })).status).toBe(401);
  });

  it('the first row of the table that matches wins', async () => {
    expect(await textOf(await toy().ask({ path: '/-/ping' }))).toBe('{}');
  });
});
