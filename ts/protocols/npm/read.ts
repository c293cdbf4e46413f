import { RegistryError } from '../../errors/registry-error.js';
import { negotiate } from '../../http/negotiate.js';
import { document, file, json, type Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import { canonicalVersion, type NpmName, versionOfFile } from './names.js';
import { isLive, type NpmRelease, type NpmState, tarballOf } from './state.js';
import { noPackage, type PackageViews, type People, present } from './views.js';

/** A call about one package. */
export type PackageCall<B = unknown> = Call<{ readonly name: NpmName }, B, NpmState>;

const FULL = 'application/json';
const ABBREVIATED = 'application/vnd.npm.install-v1+json';

/** Tags as the `dist-tags` routes answer them; a Map's own order. */
export const tagsReply = (state: NpmState, status = 200): Reply => json(Object.fromEntries(state.tags), 'revalidate', { status });

/** A tag or a version, as `npm view pkg@…` and `npx` ask for it. */
function select(state: NpmState, selector: string): NpmRelease | undefined {
  const release = state.releases.get(state.tags.get(selector) ?? canonicalVersion(selector) ?? '');
  return isLive(release) ? release : undefined;
}

const noVersion = (selector: string): RegistryError => new RegistryError('not_found', `version not found: ${selector}`);

function releaseOfFile(state: NpmState, name: NpmName, fileName: string): NpmRelease | undefined {
  const release = state.releases.get(versionOfFile(name, fileName) ?? '');
  return isLive(release) ? release : undefined;
}

/** Handlers that answer what a package is. */
export class PackageReads {
  private readonly views: PackageViews;
  private readonly people: People;

  constructor(views: PackageViews, people: People) {
    this.views = views;
    this.people = people;
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
    return file(call.package.content({ ...tarball, version: release.version }, 'application/octet-stream'), 'immutable');
  };

  distTags = async (call: PackageCall): Promise<Reply> => tagsReply(present(call.package.snapshot).state);

  visibility = async (call: PackageCall): Promise<Reply> =>
    json({ public: present(call.package.snapshot).state.visibility === 'public' }, 'no-store');

  /** Who may write; the client shows it as read-write. */
  collaborators = async (call: PackageCall): Promise<Reply> => {
    const { owners } = present(call.package.snapshot).state;
    const people = await this.people(new Set(owners));
    const only = call.query.get('user');
    const names = owners.map((id) => people.get(id)?.name ?? id).filter((name) => only === undefined || name === only);
    return json(Object.fromEntries(names.map((name) => [name, 'write'])), 'no-store');
  };

  /** Provenance bundles are not kept. */
  attestations = async (call: Call<{ readonly spec: { readonly version: string } }, unknown, NpmState>): Promise<Reply> => {
    const release = select(present(call.package.snapshot).state, call.params.spec.version);
    if (!release) throw noPackage();
    throw new RegistryError('not_found', 'No attestations found');
  };
}
