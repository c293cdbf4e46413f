import type { TokenRequest } from '../../auth/accounts.js';
import { invalid } from '../../errors/registry-error.js';
import type { Fields } from './fields.js';
import { parseName } from './names.js';

const DAY = 86_400;
const MAX_NAMED = 50;

function names(body: Fields, field: string): readonly string[] {
  const value = body[field];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_NAMED || !value.every((item) => typeof item === 'string'))
    throw invalid(`${field} must be a list of at most ${MAX_NAMED} names`);
  return value;
}

const inScope = (scope: string): string => {
  const bare = scope.replace(/^@/, '').replace(/\/\*?$/, '');
  return `@${parseName(bare).full}/*`;
};

/** Which packages a token is for, as scopes; undefined: all that its user may. */
function scopesOf(body: Fields, write: boolean): readonly string[] | undefined {
  const packages = [...names(body, 'packages').map((name) => parseName(name).full), ...names(body, 'scopes').map(inScope)];
  if (packages.length === 0) return undefined;
  return packages
    .map((name) => `npm:package:${name}:${write ? 'write' : 'read'}`)
    .concat(write ? packages.map((name) => `npm:package:${name}:read`) : []);
}

/** What is of another kind is a limit that was not understood: without it the token would open more. */
function textField(body: Fields, field: string): string | undefined {
  const value = body[field] ?? '';
  if (typeof value !== 'string') throw invalid(`${field} must be a string`);
  return value || undefined;
}

function flag(body: Fields, field: string): boolean {
  const value = body[field] ?? false;
  if (typeof value !== 'boolean') throw invalid(`${field} must be true or false`);
  return value;
}

/**
 * What `npm token create` asks for: `readonly` and `cidr_whitelist` of older clients, packages, scopes, days and permission of newer ones. A token that is
 * for packages, some or all of them, without saying what for may only read them.
 */
export function grantOf(body: Fields): TokenRequest {
  const organisations = names(body, 'orgs').length > 0 || textField(body, 'orgs_permission') !== undefined;
  if (organisations) throw invalid('a token cannot be limited by organisation: name its scope with --scopes');
  const permission = textField(body, 'packages_and_scopes_permission');
  if (permission !== undefined && permission !== 'read-only' && permission !== 'read-write')
    throw invalid('packages_and_scopes_permission must be read-only or read-write');
  const scopes = scopesOf(body, permission === 'read-write');
  const limited = flag(body, 'packages_all') || scopes !== undefined;
  const readonly = flag(body, 'readonly') || permission === 'read-only' || (limited && permission === undefined);
  const { expires } = body;
  if (expires !== undefined && expires !== null && !(typeof expires === 'number' && Number.isSafeInteger(expires) && expires > 0))
    throw invalid('expires must be a number of days');
  const name = textField(body, 'name');
  const cidr = names(body, 'cidr_whitelist');
  return {
    readonly,
    ...(flag(body, 'bypass_2fa') ? { automation: true } : {}),
    ...(name === undefined ? {} : { name }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(cidr.length === 0 ? {} : { cidr }),
    ...(typeof expires === 'number' ? { ttl: expires * DAY } : {}),
  };
}
