import { ConfigError, type ConfigProblem } from './errors/config-error.js';
import { RegistryError } from './errors/registry-error.js';
import { text, utf8 } from './lib/bytes.js';
import type { Runtime } from './lib/clock.js';
import { type Change, type LogSchema, type LogSpace, UnknownChange } from './log/schema.js';
import { Space } from './log/space.js';
import type { StorageDriver } from './storage/driver.js';
import type { RepositoryPlan } from './validate-config.js';

export const REPOSITORIES_SPACE = '~repositories';

/** What a repository's own log says. Its id is the log's folder. */
export interface RepositoryRecord {
  readonly id: string;
  readonly protocol: string | undefined;
  readonly deleted: boolean;
}

function apply(state: RepositoryRecord, change: Change): RepositoryRecord {
  const { protocol } = change as { readonly protocol?: unknown };
  switch (change.type) {
    case 'repository':
      if (typeof protocol !== 'string') throw new UnknownChange('repository without a protocol');
      return { ...state, protocol: state.protocol ?? protocol };
    case 'delete-repository':
      return { ...state, deleted: true };
    default:
      throw new UnknownChange(`repositories: ${change.type}`);
  }
}

/**
 * Logs of the space `~repositories`: `repository {name, protocol}` first, `delete-repository {}` last. The protocol never changes and an id is never used again, because
 * its bytes stay where they are.
 */
export const repositorySchema: LogSchema<RepositoryRecord> = {
  revision: 'repositories-1',
  initial: (identity) => ({ id: identity, protocol: undefined, deleted: false }),
  apply,
  encode: (state) => utf8(JSON.stringify(state)),
  decode: (bytes) => JSON.parse(text(bytes)) as RepositoryRecord,
  weigh: () => 200,
  summarise: ({ protocol, deleted }) => (protocol === undefined || deleted ? undefined : { protocol }),
};

export interface RecordParts {
  readonly driver: StorageDriver;
  readonly runtime: Runtime;
  readonly maxStaleness: number;
  onFault(error: unknown, where: string): void;
}

/** The space of the repositories' own records, to be opened and closed by whoever asks for it. */
export const recordSpace = (parts: RecordParts): Space<RepositoryRecord> =>
  new Space<RepositoryRecord>({ ...parts, id: REPOSITORIES_SPACE, schema: repositorySchema, keyOf: (id) => id });

/**
 * Records repositories that are new. Throws a `ConfigError` for each that was something else before, or was deleted. A record that is damaged says neither: the
 * operator hears of it, and the repository is served.
 */
export async function recordRepositories(parts: RecordParts, plans: readonly RepositoryPlan[]): Promise<void> {
  const space = recordSpace(parts);
  try {
    await space.open();
    await claimAll(space, plans, parts.onFault);
  } finally {
    await space.close();
  }
}

async function claimAll(
  space: LogSpace<RepositoryRecord>,
  plans: readonly RepositoryPlan[],
  onFault: RecordParts['onFault'],
): Promise<void> {
  const problems: ConfigProblem[] = [];
  for (const { name, protocol, path } of plans) {
    const { state: known, broken } = await space.read(name);
    if (broken !== undefined && known.protocol === undefined) {
      onFault(new Error(`the record of the repository ${name} is damaged: ${broken}`), `log/${REPOSITORIES_SPACE}/${name}`);
      continue;
    }
    const state = known.protocol === undefined ? await claim(space, name, protocol) : known;
    if (state.deleted) problems.push({ path, message: `the repository ${name} was deleted, and its name is not used again` });
    else if (state.protocol !== protocol)
      problems.push({ path, message: `the repository ${name} holds ${state.protocol} packages and cannot become ${protocol}` });
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

async function claim(space: LogSpace<RepositoryRecord>, name: string, protocol: string): Promise<RepositoryRecord> {
  const { snapshot } = await space.commit(
    name,
    ({ state }) => ({
      changes: state.protocol === undefined ? [{ type: 'repository', by: 'system', name, protocol }] : [],
      result: undefined,
    }),
    { visible: 'named' },
  );
  if (snapshot.state.protocol === undefined) throw new RegistryError('internal', 'a repository could not be recorded');
  return snapshot.state;
}
