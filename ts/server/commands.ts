import type { Principal } from '../auth/principal.js';
import { SYSTEM } from '../auth/user-directory.js';
import type { OpenRepository } from '../compose-repositories.js';
import { ConfigError } from '../errors/config-error.js';
import { notFound } from '../errors/registry-error.js';
import { historyOf } from '../packages/history.js';
import type { Caller } from '../packages/package-handle.js';
import { type OpenRegistry, SmartRegistry } from '../smart-registry.js';
import { addUser, createToken, endSecondFactor, listTokens, listUsers, revokeToken } from './account-commands.js';
import type { Command, CommandCall, CommandFlags } from './command.js';
import { collectAll, verifyAll } from './house-keeping.js';
import { PackageLifeCycle } from './life-cycle.js';
import { namesFrom } from './names.js';
import type { ServerOptions } from './options.js';
import { Output } from './output.js';

/** Opens the storage, runs one command on it, closes it again. A server may run on the same storage meanwhile. */
export async function runCommand(
  command: Command,
  options: ServerOptions,
  flags: CommandFlags,
  words: readonly string[],
): Promise<number> {
  const needed = command.takes.filter((word) => !word.startsWith('[')).length;
  if (words.length < needed || words.length > command.takes.length)
    throw new ConfigError([{ path: 'arguments', message: `usage: entrepot ${[...command.words, ...command.takes].join(' ')}` }]);
  if ('driver' in options.registry.storage && options.registry.storage.driver === 'memory')
    throw new ConfigError([{ path: '--storage', message: 'memory: is empty in every process; name the storage of the server' }]);
  const registry = new SmartRegistry({
    ...options.registry,
    onFault: (error, where) => process.stderr.write(`entrepot: ${where}: ${String(error)}\n`),
  });
  await registry.init();
  try {
    const { admin } = registry.parts.auth;
    if (admin?.token !== undefined)
      process.stderr.write(`entrepot: this storage was new. The administrator's token, shown this once: ${admin.token}\n`);
    return await command.run({ registry: registry.parts, flags, words, out: new Output(flags['json'] === true) });
  } finally {
    await registry.destroy();
  }
}

const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;
const MANY = { type: 'string', multiple: true } as const;

export const COMMAND_TABLE: readonly Command[] = [
  {
    words: ['token', 'create'],
    takes: ['USER'],
    flags: { name: TEXT, scope: MANY, cidr: MANY, protocol: TEXT, readonly: FLAG, automation: FLAG, ttl: TEXT },
    run: createToken,
  },
  { words: ['token', 'list'], takes: ['USER'], flags: {}, run: listTokens },
  { words: ['token', 'revoke'], takes: ['USER', 'ID'], flags: {}, run: revokeToken },
  { words: ['user', 'add'], takes: ['NAME'], flags: { admin: FLAG, email: TEXT, 'password-stdin': FLAG }, run: addUser },
  { words: ['user', 'disable-2fa'], takes: ['NAME'], flags: {}, run: endSecondFactor },
  { words: ['user', 'list'], takes: [], flags: {}, run: listUsers },
  { words: ['list'], takes: ['[REPO]', '[NAME]'], flags: {}, run: list },
  { words: ['history'], takes: ['REPO', 'NAME'], flags: {}, run: history },
  { words: ['yank'], takes: ['REPO', 'NAME', 'VERSION'], flags: { reason: TEXT, undo: FLAG }, run: yank },
  { words: ['delete'], takes: ['REPO', 'NAME', '[VERSION]'], flags: { purge: FLAG }, run: remove },
  { words: ['gc'], takes: [], flags: { 'dry-run': FLAG }, run: collect },
  { words: ['verify'], takes: [], flags: { repair: FLAG }, run: verify },
];

function repositoryNamed({ repositories }: OpenRegistry, name: string): OpenRepository {
  const found = repositories.find(({ plan }) => plan.name === name);
  if (!found) throw notFound(`repository ${name}`);
  return found;
}

/** Whoever may run commands on the storage may do everything. */
function operator(): Caller {
  const token = { userId: SYSTEM, scopes: ['*:*:*:*'] };
  const principal: Principal = { userId: SYSTEM, readonly: false, tokenId: undefined, token };
  const signal = new AbortController().signal;
  return {
    principal,
    granted: async () => true,
    enforceOwners: false,
    confirm: async () => undefined,
    actor: { userId: SYSTEM },
    signal,
  };
}

async function openPackage(
  registry: OpenRegistry,
  repository: string,
  name: string,
  purpose: 'read' | 'change',
): Promise<PackageLifeCycle> {
  const { repository: packages, protocol } = repositoryNamed(registry, repository);
  const lifeCycle = await protocol.lifeCycle();
  const handle = await packages.ours.open(lifeCycle.identity(name), operator(), purpose);
  return new PackageLifeCycle(handle, lifeCycle);
}

async function list({ registry, words, out }: CommandCall): Promise<number> {
  const [repository, name] = words;
  if (repository === undefined) {
    out.table(registry.repositories.map(({ plan }) => ({ name: plan.name, protocol: plan.protocol, path: `${plan.basePath}/` })));
    return 0;
  }
  if (name === undefined) {
    const { items } = await repositoryNamed(registry, repository).repository.list(operator().signal);
    out.table(
      items
        .map(({ item, rule }) => ({ name: item.identity, visibility: rule.visibility }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
    return 0;
  }
  const { versions, owners, ...about } = (await openPackage(registry, repository, name, 'read')).show();
  const nameOf = namesFrom(registry.auth.accounts);
  const rows = versions.map(async ({ publishedAt, publishedBy, ...version }) => ({
    ...version,
    publishedBy: await nameOf(publishedBy),
    publishedAt: new Date(publishedAt).toISOString(),
  }));
  out.table(await Promise.all(rows), { ...about, owners: await Promise.all(owners.map(nameOf)) });
  return 0;
}

async function history({ registry, words, out }: CommandCall): Promise<number> {
  const [repository = '', name = ''] = words;
  const { space, protocol } = repositoryNamed(registry, repository);
  const identity = (await protocol.lifeCycle()).identity(name);
  const nameOf = namesFrom(registry.auth.accounts);
  let any = false;
  for await (const { entry, at, by, type, details } of historyOf(space, identity)) {
    const { owners } = details;
    const named = Array.isArray(owners) ? { owners: await Promise.all(owners.map((id) => nameOf(String(id)))) } : {};
    out.record({ entry, at, by: await nameOf(by), type, details: { ...details, ...named } });
    any = true;
  }
  if (!any) throw notFound(`package ${identity}`);
  return 0;
}

async function yank({ registry, flags, words, out }: CommandCall): Promise<number> {
  const [repository = '', name = '', version = ''] = words;
  const found = await openPackage(registry, repository, name, 'change');
  const reason = flags['reason'];
  if (flags['undo'] === true) await found.restore(version, SYSTEM);
  else await found.yank(version, SYSTEM, reason === undefined ? undefined : String(reason));
  out.value(
    { name, version, yanked: flags['undo'] !== true },
    `${flags['undo'] === true ? 'restored' : 'yanked'} ${name} ${version}`,
  );
  return 0;
}

async function remove({ registry, flags, words, out }: CommandCall): Promise<number> {
  const [repository = '', name = '', version] = words;
  const found = await openPackage(registry, repository, name, 'change');
  const purge = flags['purge'] === true;
  if (version === undefined) await found.deleteAll(SYSTEM, purge);
  else await found.deleteVersion(version, SYSTEM, purge);
  out.value({ name, version: version ?? null, deleted: true }, `deleted ${name}${version === undefined ? '' : ` ${version}`}`);
  return 0;
}

async function collect({ registry, flags, out }: CommandCall): Promise<number> {
  out.table(await collectAll(registry, { dryRun: flags['dry-run'] === true }));
  return 0;
}

async function verify({ registry, flags, out }: CommandCall): Promise<number> {
  const report = await verifyAll(registry, {
    repair: flags['repair'] === true,
    onFinding: (finding) => out.record({ ...finding }),
  });
  const { logs, entries, objects, bytes, problems } = report;
  out.value(
    { logs, entries, objects, bytes, problems },
    `${logs} logs, ${entries} entries, ${objects} objects, ${bytes} bytes: ${problems} problems`,
  );
  return problems === 0 ? 0 : 1;
}
