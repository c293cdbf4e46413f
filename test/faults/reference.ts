import { userIdOf } from '../../ts/auth/token-format.js';
import type { Machine } from './machine.js';

/** Something that was asked for. All of it happened, or nothing. */
export type Fact =
  | { readonly type: 'publish'; readonly pkg: string; readonly version: string; readonly content: string; readonly tag: string }
  | { readonly type: 'tag'; readonly pkg: string; readonly tag: string; readonly version: string }
  | { readonly type: 'delete'; readonly pkg: string; readonly version: string }
  | { readonly type: 'user'; readonly name: string }
  | { readonly type: 'token'; readonly user: string; readonly name: string };

type Package = { versions: Map<string, string>; tags: Map<string, string> };

interface View {
  readonly packages: Map<string, Package>;
  readonly users: Map<string, string[]>;
}

const DELETED = '(deleted)';
const MISSING = '(bytes missing)';

function apply(view: View, fact: Fact): void {
  if (fact.type === 'user') {
    if (!view.users.has(fact.name)) view.users.set(fact.name, []);
    return;
  }
  if (fact.type === 'token') {
    view.users.get(fact.user)?.push(fact.name);
    return;
  }
  const found = view.packages.get(fact.pkg) ?? { versions: new Map<string, string>(), tags: new Map<string, string>() };
  view.packages.set(fact.pkg, found);
  if (fact.type === 'publish') {
    if (found.versions.has(fact.version)) return;
    found.versions.set(fact.version, fact.content);
    found.tags.set(fact.tag, fact.version);
  }
  if (fact.type === 'tag') found.tags.set(fact.tag, fact.version);
  if (fact.type === 'delete') {
    found.versions.set(fact.version, DELETED);
    for (const [tag, version] of found.tags) if (version === fact.version) found.tags.delete(tag);
  }
}

const sorted = <T>(map: ReadonlyMap<string, T>): [string, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

const textOf = ({ packages, users }: View): string =>
  JSON.stringify({
    packages: sorted(packages).map(([name, { versions, tags }]) => [name, sorted(versions), sorted(tags)]),
    users: sorted(users).map(([name, tokens]) => [name, [...tokens].sort()]),
  });

/** What must be there, and what may be: facts that were acknowledged, and those whose answer nobody got. */
export class Reference {
  readonly certain: Fact[] = [];
  readonly open: Fact[] = [];

  /** Every state that may be seen now. */
  allowed(): ReadonlyMap<string, readonly Fact[]> {
    const states = new Map<string, readonly Fact[]>();
    for (let mask = 0; mask < 2 ** this.open.length; mask += 1) {
      const happened = this.open.filter((_, i) => mask & (2 ** i));
      const view: View = { packages: new Map(), users: new Map() };
      for (const fact of [...this.certain, ...happened]) apply(view, fact);
      states.set(textOf(view), states.get(textOf(view)) ?? happened);
    }
    return states;
  }

  /** What was seen has happened, for ever; what was not seen has not, unless it may still be on its way. */
  settle(seen: string, late: boolean): void {
    const happened = this.allowed().get(seen) ?? [];
    this.certain.push(...happened);
    const left = late ? this.open.filter((fact) => !happened.includes(fact)) : [];
    this.open.splice(0, this.open.length, ...left);
  }

  names(): ReadonlySet<string> {
    return new Set([...this.certain, ...this.open].flatMap((fact) => ('pkg' in fact ? fact.pkg : [])));
  }

  userNames(): ReadonlySet<string> {
    return new Set([...this.certain, ...this.open].flatMap((fact) => (fact.type === 'user' ? fact.name : [])));
  }
}

async function contentOf(machine: Machine, handle: Awaited<ReturnType<Machine['repository']['open']>>, version: string) {
  const file = (
    handle as unknown as { snapshot: { state: { releases: Map<string, { files: { key: string }[] }> } } }
  ).snapshot.state.releases.get(version)?.files[0];
  if (!file) return MISSING;
  const stored = await machine.driver.read(file.key);
  return stored ? Buffer.from(stored.body as Uint8Array).toString() : MISSING;
}

/** Everything that a client could see on this instance, as text. `strong`: looks at the logs themselves. */
export async function seen(machine: Machine, reference: Reference): Promise<string> {
  const view: View = { packages: new Map(), users: new Map() };
  const listed = new Set((await machine.repository.list(machine.caller().signal)).items.map(({ item }) => item.identity));
  for (const name of reference.names()) {
    const handle = await machine.repository.open(name, machine.caller(), 'read');
    const { state } = handle.snapshot;
    if (machine.repository.exists(handle.snapshot) !== listed.has(name)) return `${name} is listed, or not, against its log`;
    if (state.releases.size === 0) continue;
    const versions = new Map<string, string>();
    for (const [version, { status }] of state.releases) {
      versions.set(version, status === 'deleted' ? DELETED : await contentOf(machine, handle, version));
    }
    view.packages.set(name, { versions, tags: new Map(state.tags) });
  }
  for (const name of reference.userNames()) {
    const user = await machine.directory.get(userIdOf(name));
    if (user)
      view.users.set(
        name,
        [...user.tokens.values()].map((token) => token.name),
      );
  }
  return textOf(view);
}
