import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTIONS } from '../../ts/auth/principal.js';
import { formatScopes, intersectScopes, parseScope, type ScopedResource, scopesAllow } from '../../ts/auth/scope.js';

const at = (protocol: string, type: string, name: string, repository?: string): ScopedResource => ({
  protocol,
  type,
  name,
  repository,
});

/** Names from few letters, so that patterns often meet them. */
const piece = fc.string({ unit: fc.constantFrom('a', 'b', '/', ':', '@', '.'), maxLength: 4 });
const name = piece.filter((text) => text.length > 0);
const pattern = fc.oneof(
  name,
  fc.tuple(piece, piece).map(([head, tail]) => `${head}*${tail}`),
);
const first = fc.constantFrom('npm', 'oci', 'team', '*');
const type = fc.constantFrom('package', 'repository', '*');
const action = fc.constantFrom('read', 'pull', 'create', 'overwrite', 'push', 'write', 'delete', 'admin', '*');
const scope = fc.tuple(first, type, pattern, action).map((parts) => parts.join(':'));
const scopes = fc.array(scope, { maxLength: 4 });
const resource = fc.record({
  protocol: fc.constantFrom('npm', 'oci'),
  repository: fc.constantFrom('npm', 'oci', 'team', 'other'),
  type: fc.constantFrom('package', 'repository'),
  name,
});

/** The same rule said as a regular expression: an independent opinion. */
function oracle(text: string, where: ScopedResource, wanted: string): boolean {
  const match = /^([^:]+):([^:]+):(.+):([^:]+)$/s.exec(text);
  if (!match) return false;
  const [, front, kind, glob = '', verb = ''] = match;
  const words: Record<string, string[]> = {
    pull: ['read'],
    push: ['create', 'overwrite'],
    write: ['create', 'overwrite', 'delete'],
    '*': [...ACTIONS],
  };
  const source = glob
    .split('*')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'))
    .join('.*');
  const frontFits = front === '*' || front === where.protocol || (front === where.repository && front === 'team');
  return (
    frontFits &&
    (kind === '*' || kind === where.type) &&
    new RegExp(`^${source}$`, 's').test(where.name) &&
    (words[verb] ?? [verb]).includes(wanted)
  );
}

describe('scopes', () => {
  it.each([
    ['npm:package:express:read', at('npm', 'package', 'express'), 'read', true],
    ['npm:package:express:read', at('npm', 'package', 'express'), 'create', false],
    ['npm:package:express:read', at('npm', 'package', 'express2'), 'read', false],
    ['npm:package:express:read', at('oci', 'package', 'express'), 'read', false],
    ['oci:repository:*:push', at('oci', 'repository', 'library/nginx'), 'overwrite', true],
    ['oci:repository:*:push', at('oci', 'repository', 'library/nginx'), 'delete', false],
    ['oci:repository:nginx:pull', at('oci', 'repository', 'nginx'), 'read', true],
    ['maven:artifact:com.acme:lib:write', at('maven', 'artifact', 'com.acme:lib'), 'delete', true],
    ['maven:artifact:com.acme:lib:write', at('maven', 'artifact', 'com.acme'), 'delete', false],
    ['npm:package:@acme/*:write', at('npm', 'package', '@acme/x'), 'create', true],
    ['npm:package:@acme/*:write', at('npm', 'package', '@acme-evil/x'), 'create', false],
    ['npm:*:*:*', at('npm', 'package', 'x'), 'admin', true],
    ['*:*:*:write', at('npm', 'package', 'x'), 'admin', false],
    ['team:package:x:read', at('npm', 'package', 'x', 'team'), 'read', true],
    ['team:package:x:read', at('npm', 'package', 'x', 'npm'), 'read', false],
    ['npm:package:x:read', at('cargo', 'package', 'x', 'npm'), 'read', false],
  ] as const)('%s', (text, where, wanted, expected) => {
    expect(scopesAllow([text], where, wanted)).toBe(expected);
  });

  it.each([
    '',
    ':',
    '::',
    ':::',
    'npm',
    'npm:package:read',
    'npm:package::read',
    'npm:package:x:reads',
    'npm:package:x:',
    'NPM:package:x:read',
    'npm:package:a*b*:read',
    'npm:pack*:x:read',
    'n*:package:x:read',
    'npm:package:x\n:read',
    'npm:package:\0:read',
    `npm:package:${'x'.repeat(600)}:read`,
  ])('%j is no scope and covers nothing', (text) => {
    expect(parseScope(text)).toBeUndefined();
    expect(scopesAllow([text], at('npm', 'package', 'x'), 'read')).toBe(false);
  });

  it('is injective: two texts that mean the same parts are the same text, word for action aside', () => {
    fc.assert(
      fc.property(scope, (text) => {
        const parsed = parseScope(text);
        if (!parsed) throw new Error(`not parsed: ${text}`);
        const again = formatScopes(parsed.first, parsed.type, parsed.name, parsed.actions);
        expect(again).toHaveLength(1);
        expect(parseScope(again[0] ?? '')).toEqual(parsed);
        expect(text.startsWith(`${parsed.first}:${parsed.type}:${parsed.name}:`)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('A4: opens exactly what the grammar says, whatever the parts', () => {
    fc.assert(
      fc.property(scopes, resource, fc.constantFrom(...ACTIONS), (held, where, wanted) => {
        expect(scopesAllow(held, where, wanted)).toBe(held.some((text) => oracle(text, where, wanted)));
      }),
      { numRuns: 10_000 },
    );
  });

  it('A5: an intersection opens nothing that one side does not', () => {
    fc.assert(
      fc.property(scopes, scopes, resource, fc.constantFrom(...ACTIONS), (a, b, where, wanted) => {
        if (!scopesAllow(intersectScopes(a, b), where, wanted)) return;
        expect(scopesAllow(a, where, wanted) && scopesAllow(b, where, wanted)).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });

  it('A5: nothing is lost against everything, and a literal name within a pattern stays', () => {
    fc.assert(
      fc.property(scopes, resource, fc.constantFrom(...ACTIONS), (a, where, wanted) => {
        expect(scopesAllow(intersectScopes(a, ['*:*:*:*']), where, wanted)).toBe(scopesAllow(a, where, wanted));
      }),
      { numRuns: 2_000 },
    );
    expect(intersectScopes(['npm:package:a/b:write'], ['*:*:a/*:push', 'npm:*:*:read'])).toEqual(['npm:package:a/b:push']);
  });

  it('takes no longer for hostile names', () => {
    const long = 'a'.repeat(395);
    expect(scopesAllow([`npm:package:${long}*b:read`], at('npm', 'package', 'a'.repeat(100_000)), 'read')).toBe(false);
  });
});
