import type { NewToken } from '../auth/mint.js';
import { SecondFactors } from '../auth/second-factors.js';
import { SYSTEM, type UserDirectory } from '../auth/user-directory.js';
import { ConfigError } from '../errors/config-error.js';
import { notFound, RegistryError } from '../errors/registry-error.js';
import type { OpenRegistry } from '../smart-registry.js';
import type { CommandCall } from './command.js';

function directoryOf({ auth }: OpenRegistry): UserDirectory {
  if (!auth.directory) throw new RegistryError('not_found', 'users are kept by the auth provider of the application, not here');
  return auth.directory;
}

async function userNamed(directory: UserDirectory, name: string): Promise<string> {
  const user = await directory.find(name);
  if (!user) throw notFound(`user ${name}`);
  return user.id;
}

export async function createToken({ registry, flags, words, out }: CommandCall): Promise<number> {
  const directory = directoryOf(registry);
  const texts = (name: string): readonly string[] | undefined => flags[name] as readonly string[] | undefined;
  const ttl = flags['ttl'];
  if (ttl !== undefined && !/^\d{1,10}$/.test(String(ttl)))
    throw new ConfigError([{ path: '--ttl', message: 'must be a number of seconds' }]);
  const [scopes, cidr] = [texts('scope'), texts('cidr')];
  const asked: NewToken = {
    ...(flags['name'] === undefined ? {} : { name: String(flags['name']) }),
    ...(flags['protocol'] === undefined ? {} : { protocol: String(flags['protocol']) }),
    ...(ttl === undefined ? {} : { ttl: Number(ttl) }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(cidr === undefined ? {} : { cidr }),
    readonly: flags['readonly'] === true,
    automation: flags['automation'] === true,
  };
  const { token, info } = await directory.createToken(await userNamed(directory, words[0] ?? ''), asked, { by: SYSTEM });
  out.value({ ...info, token }, token);
  return 0;
}

export async function listTokens({ registry, words, out }: CommandCall): Promise<number> {
  const directory = directoryOf(registry);
  const tokens = await directory.listTokens(await userNamed(directory, words[0] ?? ''));
  const date = (at: number | undefined): string | null => (at === undefined ? null : new Date(at).toISOString());
  out.table(
    tokens.map(({ created, lastUsed, expires, ...token }) => ({
      ...token,
      created: date(created),
      lastUsed: date(lastUsed),
      expires: date(expires),
    })),
  );
  return 0;
}

export async function revokeToken({ registry, words, out }: CommandCall): Promise<number> {
  const directory = directoryOf(registry);
  const [user = '', id = ''] = words;
  if (!(await directory.revokeToken(await userNamed(directory, user), id))) throw notFound(`token ${id}`);
  out.value({ revoked: id }, `revoked ${id}`);
  return 0;
}

export async function addUser({ registry, flags, words, out }: CommandCall): Promise<number> {
  const email = flags['email'];
  const password = flags['password-stdin'] === true ? await firstLine(process.stdin) : undefined;
  const { id, name, admin } = await directoryOf(registry).addUser({
    name: words[0] ?? '',
    admin: flags['admin'] === true,
    ...(email === undefined ? {} : { email: String(email) }),
    ...(password === undefined ? {} : { password }),
  });
  out.value({ id, name, admin }, `added ${name}`);
  return 0;
}

/** Not an argument, because those can be seen by everybody on the machine. */
async function firstLine(input: AsyncIterable<Buffer | string>): Promise<string> {
  let given = '';
  for await (const chunk of input) {
    given += String(chunk);
    if (given.includes('\n') || given.length > 4_096) break;
  }
  return given.split(/\r?\n/)[0] ?? '';
}

/** For who has lost both the app and the recovery codes. */
export async function endSecondFactor({ registry, words, out }: CommandCall): Promise<number> {
  const directory = directoryOf(registry);
  const [name = ''] = words;
  const ended = await new SecondFactors(directory, name).disable(await userNamed(directory, name), SYSTEM);
  if (!ended) throw notFound(`two-factor authentication of ${name}`);
  out.value({ name, secondFactor: null }, `${name} logs in without a one-time password now`);
  return 0;
}

export async function listUsers({ registry, out }: CommandCall): Promise<number> {
  out.table(await directoryOf(registry).list());
  return 0;
}
