import type { Action, Principal } from '../../ts/auth/principal.js';
import { type PackageCodec, packageSchema } from '../../ts/packages/fold.js';
import { HookRunner } from '../../ts/packages/hook-runner.js';
import type { IStorageHooks } from '../../ts/packages/hooks.js';
import type { Caller } from '../../ts/packages/package-handle.js';
import { Repository } from '../../ts/packages/repository.js';
import type { PackageState } from '../../ts/packages/state.js';
import { FakeObjects, FakeSpace, TestRuntime } from './fake-space.js';

export interface PlainData {
  readonly readme: string;
}
export type PlainState = PackageState<PlainData, unknown, unknown>;

/** The smallest protocol: a readme, and a description for search. */
export const plainCodec: PackageCodec<PlainData, unknown, unknown> = {
  revision: 'plain-1',
  initialData: () => ({ readme: '' }),
  applyData: (data, change) => {
    const patch = change.type === 'data' ? change['patch'] : change['data'];
    return typeof patch === 'object' && patch !== null && 'readme' in patch ? { readme: String(patch['readme']) } : data;
  },
  summarise: (state) => ({ name: state.name, description: state.data.readme }),
};
export const plainSchema = packageSchema(plainCodec);

export interface CallerOptions {
  readonly user?: string;
  readonly grants?: readonly Action[];
  readonly readonly?: boolean;
  readonly enforceOwners?: boolean;
}

export function callerOf({ user, grants = [], readonly = false, enforceOwners = true }: CallerOptions): Caller {
  const principal: Principal | undefined =
    user === undefined ? undefined : { userId: user, readonly, tokenId: undefined, token: { userId: user, scopes: [] } };
  return {
    principal,
    granted: async (_name, action) => grants.includes(action),
    enforceOwners,
    actor: { ip: '192.0.2.1' },
    signal: new AbortController().signal,
  };
}

export const PUBLISHER: readonly Action[] = ['read', 'create', 'overwrite', 'delete'];

type Parts = ConstructorParameters<typeof Repository<PlainState>>[0];

export interface RepositoryParts extends Pick<Parts, 'space' | 'objects' | 'runtime' | 'onFault'> {
  readonly hooks?: IStorageHooks | undefined;
  /** Default: true. */
  readonly anonymousRead?: boolean;
  /** Default: `plain`. */
  readonly id?: string;
}

/** A repository of the plain protocol, over whatever space and objects. */
export function repositoryOf({ hooks, anonymousRead = true, id = 'plain', ...parts }: RepositoryParts): Repository<PlainState> {
  const { runtime, onFault } = parts;
  return new Repository<PlainState>({
    ...parts,
    name: 'things',
    id,
    protocol: 'plain',
    resourceType: 'package',
    anonymousRead,
    schema: plainSchema,
    hooks: new HookRunner({ hooks, runtime, onFault }),
  });
}

export function plainRepository(options: { readonly hooks?: IStorageHooks; readonly anonymousRead?: boolean } = {}) {
  const runtime = new TestRuntime();
  const space = new FakeSpace('plain', plainSchema, runtime);
  const objects = new FakeObjects(runtime);
  const faults: { where: string; error: unknown }[] = [];
  const onFault = (fault: { where: string; error: unknown }) => void faults.push(fault);
  const { hooks, anonymousRead = false } = options;
  const repository = repositoryOf({ space, objects, runtime, onFault, hooks, anonymousRead });
  return { runtime, space, objects, faults, repository };
}
