import { type Organisations, rightsIn } from '../../auth/organisations.js';
import type { Rights } from '../../auth/principal.js';
import { RegistryError } from '../../errors/registry-error.js';
import { negotiate } from '../../http/negotiate.js';
import { document, file, json, type Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import type { NpmName } from './names.js';
import { ATTESTATIONS, isLive, type NpmRelease, type NpmState, tarballOf } from './state.js';
import { typedVersion, versionOfFile } from './versions.js';
import { noPackage, type PackageViews, type People, present } from './views.js';

/** A call about one package. */
export type PackageCall<B = unknown> = Call<{ readonly name: NpmName }, B, NpmState>;

const FULL = 'application/json';
const ABBREVIATED = 'application/vnd.npm.install-v1+json';

/** Tags as the `dist-tags` routes answer them; a Map's own order. */
export const tagsReply = (state: NpmState, status = 200): Reply => json(Object.fromEntries(state.tags), 'revalidate', { status });

/** A tag or a version, as `npm view pkg@…` and `npx` ask for it. */
function select(state: NpmState, selector: string): NpmRelease | undefined {
  const release = state.releases.get(state.tags.get(selector) ?? typedVersion(selector) ?? '');
  return isLive(release) ? release : undefined;
}

const noVersion = (selector: string): RegistryError => new RegistryError('not_found', `version not found: ${selector}`);

function releaseOfFile(state: NpmState, name: NpmName, fileName: string): NpmRelease | undefined {
  const release = state.releases.get(versionOfFile(name, fileName) ?? '');
  return isLive(release) ? release : undefined;
}

export interface ReadOptions {
  readonly views: PackageViews;
  readonly people: People;
  readonly organisations: Pick<Organisations, 'find'> | undefined;
  /** The repository's name: grants are about its packages. */
  readonly repository: string;
}

/** Handlers that answer what a package is. */
export class PackageReads {
  private readonly views: PackageViews;
  private readonly people: People;
  private readonly organisations: Pick<Organisations, 'find'> | undefined;
  private readonly repository: string;

  constructor({ views, people, organisations, repository }: ReadOptions) {
    this.views = views;
    this.people = people;
    this.organisations = organisations;
    this.repository = repository;
  }

  /** `?write=true` asks for what a change begins with: the whole, never from a cache. */
  packument = async (call: PackageCall): Promise<Reply> => {
    if (call.query.get('write') === 'true') {
      return document(await this.views.full(call.package, call.baseUrl), 'no-store', { vary: ['Accept'] });
    }
    const form = negotiate(call.headers.get('accept'), [FULL, ABBREVIATED]);
    const content = await (form === ABBREVIATED
      ? this.views.abbreviated(call.package, call.baseUrl)
      : this.views.full(call.package, call.baseUrl));
    return document(content, 'revalidate', { vary: ['Accept'] });
  };

  /** One version's manifest, always the full one: what is in the abbreviated form is in it. */
  manifest = async (call: Call<{ readonly name: NpmName; readonly selector: string }, unknown, NpmState>): Promise<Reply> => {
    const { selector } = call.params;
    const { state } = present(call.package.snapshot);
    const release = select(state, selector);
    if (!release) throw noVersion(selector);
    return document(await this.views.version(call.package, call.baseUrl, release), 'revalidate');
  };

  /** Never negotiated, never encoded: clients verify the digest of what they get. */
  tarball = async (call: Call<{ readonly name: NpmName; readonly file: string }, unknown, NpmState>): Promise<Reply> => {
    const { name, file: fileName } = call.params;
    const { state } = present(call.package.snapshot);
    const release =
      releaseOfFile(state, name, fileName) ?? releaseOfFile((await call.package.readStrong()).state, name, fileName);
    const tarball = release && tarballOf(release);
    if (!release || !tarball) throw new RegistryError('not_found', 'File not found');
    const stored = await call.package.here({ ...tarball, version: release.version });
    return file(call.package.content(stored, 'application/octet-stream'), 'immutable');
  };

  distTags = async (call: PackageCall): Promise<Reply> => tagsReply(present(call.package.snapshot).state);

  visibility = async (call: PackageCall): Promise<Reply> =>
    json({ public: present(call.package.snapshot).state.visibility === 'public' }, 'no-store');

  /** Who may write or read, as owner or through the organisation of the scope; the client shows it as read-write and read-only. */
  collaborators = async (call: PackageCall): Promise<Reply> => {
    const { owners } = present(call.package.snapshot).state;
    const rights = new Map<string, 'read' | 'write'>(owners.map((id) => [id, 'write']));
    for (const [id, right] of await this.throughOrganisation(call.params.name))
      if (!rights.has(id) && right !== 'none') rights.set(id, right === 'read' ? 'read' : 'write');
    const people = await this.people(new Set(rights.keys()));
    const only = call.query.get('user');
    const named = [...rights].map(([id, right]) => [people.get(id)?.name ?? id, right] as const);
    return json(Object.fromEntries(named.filter(([name]) => only === undefined || name === only)), 'no-store');
  };

  private async throughOrganisation({ scope, full }: NpmName): Promise<readonly (readonly [string, Rights])[]> {
    const organisation = scope === undefined ? undefined : await this.organisations?.find(scope);
    if (!organisation) return [];
    const resource = { repository: this.repository, name: full };
    return [...organisation.members.keys()].map((id) => [id, rightsIn(organisation, id, resource)] as const);
  }

  /** As they were put together when the version was published. */
  attestations = async (call: Call<{ readonly spec: { readonly version: string } }, unknown, NpmState>): Promise<Reply> => {
    const release = select(present(call.package.snapshot).state, call.params.spec.version);
    if (!release) throw noPackage();
    const kept = release.files.find(({ name }) => name === ATTESTATIONS);
    if (!kept) throw new RegistryError('not_found', 'No attestations found');
    return document(call.package.content({ ...kept, version: release.version }, 'application/json'), 'revalidate');
  };
}
