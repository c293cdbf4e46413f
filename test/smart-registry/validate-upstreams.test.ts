import { describe, expect, it } from 'vitest';
import { Checks } from '../../ts/validate-checks.js';
import { validateUpstreams } from '../../ts/validate-upstreams.js';

const TOKEN = 'canary-token-4711';

function problems(config: unknown): Record<string, string> {
  const checks = new Checks();
  validateUpstreams(checks, 'upstreamProvider.config', config);
  return Object.fromEntries(checks.problems.map(({ path, message }) => [path.replace('upstreamProvider.config', ''), message]));
}

const upstream = (more: object = {}) => ({ id: 'public', url: 'https://registry.example/npm/', ...more });
const one = (more: object) => problems({ npm: { enabled: true, upstreams: [upstream(more)] } });
const npm = (more: object) => problems({ npm: { enabled: true, upstreams: [], ...more } });

describe('upstreams in the configuration', () => {
  it('may have everything that they can have', () => {
    const full = upstream({
      priority: -3,
      enabled: false,
      scopeRules: [{ pattern: '@acme/*', action: 'exclude' }],
      auth: { type: 'bearer', token: TOKEN },
      alsoAt: ['https://files.example', 'http://10.0.0.7:8080/'],
    });
    const basic = upstream({ id: 'second', auth: { type: 'basic', username: 'jo', password: 'pass: wörd' } });
    const cache = { enabled: true, ttlSeconds: 0, staleWhileRevalidate: false, staleIfErrorSeconds: 0, negativeTtlSeconds: 60 };
    const resilience = { timeoutMs: 1_000, retries: 0, breakerFailures: 1, breakerPauseMs: 0 };
    expect(npm({ upstreams: [full, basic, upstream({ id: '3', auth: { type: 'none' } })], cache, resilience })).toEqual({});
    expect(problems({})).toEqual({});
    expect(problems({ npm: undefined, oci: { enabled: false, upstreams: [] } })).toEqual({});
  });

  it('are named with everything that is wrong', () => {
    const wrong = {
      enabled: 'yes',
      upstreams: [7, upstream({ id: 'Up_1', urls: 1, enabled: 0, priority: 0.5 }), upstream(), upstream()],
      cache: { ttlSeconds: -1, negativeTtlSeconds: 61, tll: 1 },
      resilience: { timeoutMs: 0, retries: 11, breakerFailures: 0, breakerPauseMs: Number.NaN },
    };
    expect(Object.keys(problems({ npm: wrong, nmp: {} })).sort()).toEqual(
      [
        '.nmp',
        '.npm.cache.negativeTtlSeconds',
        '.npm.cache.tll',
        '.npm.cache.ttlSeconds',
        '.npm.enabled',
        '.npm.resilience.breakerFailures',
        '.npm.resilience.breakerPauseMs',
        '.npm.resilience.retries',
        '.npm.resilience.timeoutMs',
        '.npm.upstreams[0]',
        '.npm.upstreams[1].enabled',
        '.npm.upstreams[1].id',
        '.npm.upstreams[1].priority',
        '.npm.upstreams[1].urls',
        '.npm.upstreams[3].id',
      ].sort(),
    );
    expect(problems({ npm: {} })).toEqual({
      '.npm.enabled': 'is missing',
      '.npm.upstreams': 'must be a list of at most 32',
    });
    expect(problems([])).toEqual({ '': 'must be an object' });
  });

  it('are for npm only in this release, and the others are told so when they are turned on', () => {
    for (const protocol of ['oci', 'maven', 'cargo', 'composer', 'pypi', 'rubygems', 'zig'])
      expect(problems({ [protocol]: { enabled: true, upstreams: [] } })).toEqual({
        [`.${protocol}`]: `packages of other registries come with a later release for ${protocol}`,
      });
  });

  it('have an http or https URL and nothing beside it, and credentials in one are never repeated', () => {
    for (const url of ['http://127.0.0.1:4873', 'https://registry.example/a%2fb/', 'HTTPS://[::1]/'])
      expect(one({ url })).toEqual({});
    const bad = [
      '',
      'ftp://registry.example',
      'registry.example',
      'https://',
      'https://r.example/?',
      'https://r.example/#',
      'https://r.example/a?b',
    ];
    for (const url of [...bad, 'https://@r.example/', ' https://r.example/', 'https:\\\\r.example\\', undefined, 7])
      expect(Object.keys(one({ url })), String(url)).toEqual(['.npm.upstreams[0].url']);
    expect(JSON.stringify(one({ url: `https://jo:${TOKEN}@r.example/` }))).not.toContain(TOKEN);
  });

  it('have credentials that a header can carry, and messages do not repeat them', () => {
    const auth = (given: unknown) => one({ auth: given });
    const path = '.npm.upstreams[0].auth';
    for (const bad of [`${TOKEN}\n`, `${TOKEN} x`, `${TOKEN}\u00e9`, '', 7, undefined]) {
      const told = auth({ type: 'bearer', token: bad });
      expect(Object.keys(told)).toEqual([`${path}.token`]);
      expect(JSON.stringify(told)).not.toContain(TOKEN);
    }
    expect(Object.keys(auth({ type: 'basic', username: 'a:b', password: `${TOKEN}\u0000` }))).toEqual([
      `${path}.username`,
      `${path}.password`,
    ]);
    expect(Object.keys(auth({ type: 'bearer', token: TOKEN, password: TOKEN }))).toEqual([`${path}.password`]);
    expect(Object.keys(auth({ type: 'digest' }))).toEqual([`${path}.type`]);
    expect(Object.keys(auth({}))).toEqual([`${path}.type`]);
    expect(Object.keys(auth('bearer'))).toEqual([path]);
  });

  it('have rules and further origins that can be understood', () => {
    for (const bad of [
      'files.example',
      'https://files.example/path',
      'https://a@files.example',
      'ftp://files.example',
      'https://x?y',
      '',
      7,
    ])
      expect(Object.keys(one({ alsoAt: [bad] })), String(bad)).toEqual(['.npm.upstreams[0].alsoAt[0]']);
    const rules = [
      { pattern: '', action: 'include' },
      { pattern: 'x'.repeat(257), action: 'exclude' },
      { pattern: 'x', action: 'deny' },
      { pattern: 'x' },
      null,
    ];
    expect(Object.keys(one({ scopeRules: rules }))).toEqual([
      '.npm.upstreams[0].scopeRules[0].pattern',
      '.npm.upstreams[0].scopeRules[1].pattern',
      '.npm.upstreams[0].scopeRules[2].action',
      '.npm.upstreams[0].scopeRules[3].action',
      '.npm.upstreams[0].scopeRules[4]',
    ]);
    expect(Object.keys(one({ scopeRules: 'x', alsoAt: {} }))).toEqual([
      '.npm.upstreams[0].scopeRules',
      '.npm.upstreams[0].alsoAt',
    ]);
  });

  it('are not looked for in what every object inherits', () => {
    expect(problems(JSON.parse('{"__proto__": {"npm": 1}}'))).toEqual({ '.__proto__': 'no such option' });
  });
});
