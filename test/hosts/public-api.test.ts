import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { tarball } from '../server/publish.js';
import { SETUP_MS } from './installed.js';
import { run } from './program.js';
import { type CompileOptions, project } from './project.js';

const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
if (!WHOLE) console.log('skipped: the samples compiled without the types of browsers; REQUIRE_CLIENTS=1 compiles both ways');

const bare: readonly [string, CompileOptions] = ['without the types of browsers', { lib: ['ES2022'] }];
const settings: readonly (readonly [string, CompileOptions])[] = [
  ...(WHOLE ? [bare] : []),
  ['with the types of browsers', { lib: ['ES2022', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable'] }],
];

describe.each(settings)('the samples of the public interface, compiled %s', (_, options) => {
  let said: ReadonlyMap<string, unknown> = new Map();

  beforeAll(async () => {
    const out = project().compile(['public-api'], options);
    const bytesOf = (name: string): string => tarball(name, '1.0.0').toString('base64');
    const {
      code,
      out: lines,
      err,
    } = await run('node', join(out, 'public-api.js'), {
      TARBALL: bytesOf('thing'),
      REFUSED: bytesOf('refused'),
    });
    expect([code, err]).toEqual([0, '']);
    const items = lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { what: string; value: unknown });
    said = new Map(items.map(({ what, value }) => [what, value]));
  }, SETUP_MS);

  it('starts, answers, ends', () => {
    expect(said.get('before init')).toEqual([false, 503]);
    expect(said.get('after init')).toEqual([true, 'function', '/npm', true]);
    expect(said.get('stranger')).toMatchObject([401, { error: 'authentication required' }]);
    expect(said.get('destroyed')).toEqual([false, 503]);
  });

  it('takes a body in every form', () => {
    const forms = [...said].filter(([what]) => what.startsWith('body: '));
    expect(forms).toHaveLength(6);
    for (const [form, value] of forms) expect(value, form).toEqual([201, 200, true]);
  });

  it('asks the hooks, with the actor that the host named, and keeps nothing that they refuse', () => {
    expect(said.get('publish')).toBe(201);
    expect(said.get('hooks')).toEqual([
      'put npm/thing/thing-1.0.0.tgz npm thing 1.0.0 application/octet-stream true acme true',
      'after npm/thing/thing-1.0.0.tgz',
    ]);
    expect(said.get('refused by a hook')).toMatchObject([403, { error: expect.stringContaining('quota: this team is full') }]);
    expect(said.get('and not kept')).toBe(404);
  });

  it('writes links from the configured URL, finds by query, answers fetch bound or not', () => {
    expect(said.get('links')).toBe('https://packages.example/npm/thing/-/thing-1.0.0.tgz');
    expect(said.get('search')).toEqual(['thing']);
    expect(said.get('fetch')).toEqual([200, 'thing']);
    expect(said.get('fetch, unbound')).toBe(401);
  });

  it('makes, checks and revokes tokens', () => {
    expect(said.get('authenticate')).toBeNull();
    expect(said.get('tokens')).toEqual([true, true, false, true]);
    expect(said.get('revoked')).toBeNull();
    expect(said.get('oci')).toEqual([3, true, false, 6]);
  });

  it('converts streams, and lists every problem of a configuration at once', () => {
    expect(said.get('helpers')).toEqual(['text', { a: 1 }, 2, 'ab', 'node']);
    expect(said.get('every problem at once')).toEqual(['auth.jwtSecret', 'auth.tokenStore']);
  });
});
