import { notOffered } from '../../auth/accounts.js';
import type { TrustedPublishers } from '../../auth/trusted-publishers.js';
import { RegistryError } from '../../errors/registry-error.js';
import { json, type Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import type { NpmName } from './names.js';
import type { NpmState } from './state.js';

export interface TrustedPublishingOptions {
  /** Undefined: none are configured. */
  readonly publishers: TrustedPublishers | undefined;
  /** The repository's name. */
  readonly repository: string;
}

/**
 * `npm publish` in a build: the platform's identity token becomes one of the registry's, for this package and a short time. npm asks at the root of the
 * host, whatever the registry's path (lib/utils/oidc.js of its command line).
 */
export class TrustedPublishingHandlers {
  private readonly options: TrustedPublishingOptions;

  constructor(options: TrustedPublishingOptions) {
    this.options = options;
  }

  exchange = async (call: Call<{ readonly name: NpmName }, unknown, NpmState>): Promise<Reply> => {
    const { publishers, repository } = this.options;
    if (!publishers) throw notOffered('Trusted publishing');
    const [, idToken] = /^Bearer +([A-Za-z0-9_.-]+)$/i.exec(call.headers.get('authorization') ?? '') ?? [];
    if (idToken === undefined) throw new RegistryError('unauthenticated', 'An identity token is missing', { code: 'oidc' });
    const { token, expiresAt } = await publishers.exchange(idToken, 'npm', repository, call.params.name.full);
    return json({ token, token_type: 'oidc', expires: new Date(expiresAt).toISOString() }, 'no-store', { status: 201 });
  };
}
