import { invalid, type RegistryError } from '../../errors/registry-error.js';
import type { Reply } from '../../http/reply.js';
import type { Call, RequestBody } from '../../http/route.js';
import { deprecate, type FindUser, setOwners, star, unpublish } from './life-cycle.js';
import type { NpmName } from './names.js';
import { publish, type Received, receiveTarball } from './publish.js';
import { type PublishBody, type PublishSink, readPublishBody } from './publish-body.js';
import type { PackageCall } from './read.js';
import type { Signer } from './signer.js';
import type { NpmState } from './state.js';
import type { People } from './views.js';

export interface DocumentOptions {
  readonly signer: Signer | undefined;
  readonly people: People;
  readonly findUser: FindUser;
}

const unchanged = (): RegistryError => invalid('The document asks for no change that this registry knows');

/** For documents that change what is there: nothing is published with them. */
const NO_TARBALL: PublishSink<never> = {
  tarball: async () => {
    throw invalid('A document with a revision has no attachments');
  },
};

/**
 * `PUT` of a package document, which is five different things: with a tarball a publish; with versions a deprecation; with `users` a star; with
 * `maintainers` a change of owners. Whatever else stands in the document is not looked at.
 */
export class DocumentHandlers {
  private readonly options: DocumentOptions;

  constructor(options: DocumentOptions) {
    this.options = options;
  }

  put = async (call: PackageCall<RequestBody>): Promise<Reply> => {
    const body = await this.read(call);
    if (body.tarball) return publish(call, body, body.tarball.result, this.options.signer);
    if (body.versions !== undefined) return deprecate(call, body.versions, body.rev);
    if (body.users !== undefined) return star(call, await this.starred(call, body.users));
    if (body.maintainers !== undefined) return setOwners(call, body.rev, body.maintainers, this.options.findUser);
    throw unchanged();
  };

  /** With a revision in the path: versions that are missing go, or the owners change. */
  putRevision = async (call: Call<{ readonly name: NpmName; readonly rev: string }, RequestBody, NpmState>): Promise<Reply> => {
    const body = await readPublishBody(call.body.stream(), NO_TARBALL);
    const { rev } = call.params;
    if (body.versions !== undefined) return unpublish(call, rev, new Set(body.versions.keys()), body.distTags?.get('latest'));
    if (body.maintainers !== undefined) return setOwners(call, rev, body.maintainers, this.options.findUser);
    throw unchanged();
  };

  /** A tarball is stored while it passes; when the body turns out to be bad behind it, it goes again. */
  private async read(call: PackageCall<RequestBody>): Promise<PublishBody<Received>> {
    const stored: Received[] = [];
    const sink: PublishSink<Received> = {
      tarball: async (_fileName, _contentType, bytes) => {
        const received = await receiveTarball(call.package, bytes);
        stored.push(received);
        return received;
      },
    };
    try {
      return await readPublishBody(call.body.stream(), sink);
    } catch (error) {
      await call.package.discard(stored.map(({ object }) => object));
      throw error;
    }
  }

  private async starred(call: PackageCall, users: ReadonlyMap<string, boolean>): Promise<boolean> {
    if (!call.principal) return false;
    const { userId } = call.principal;
    const name = (await this.options.people(new Set([userId]))).get(userId)?.name ?? userId;
    return users.get(name) === true;
  }
}
