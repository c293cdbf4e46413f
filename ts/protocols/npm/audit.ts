import { RegistryError } from '../../errors/registry-error.js';
import { parseJson } from '../../formats/json.js';
import { json, type Reply } from '../../http/reply.js';
import type { Call, RequestBody } from '../../http/route.js';
import type { UpstreamDocuments } from '../../packages/upstream-format.js';
import { isFields } from './fields.js';
import type { PublicKey, Signer } from './signer.js';
import type { NpmState } from './state.js';

type Plain<B = unknown> = Call<Record<never, never>, B, NpmState>;

/** Reads a body to its end without keeping it: the connection can be used again. */
async function drain(body: RequestBody): Promise<void> {
  for await (const _ of body.stream());
}

const NONE = { info: 0, low: 0, moderate: 0, high: 0, critical: 0 };

const MAX_KEYS = 64;
const ECDSA = 'ecdsa-sha2-nistp256';

/** Another registry's keys; none where it sends something else. */
function keysIn(bytes: Uint8Array): readonly PublicKey[] {
  let document: unknown;
  try {
    document = parseJson(bytes);
  } catch {
    return [];
  }
  const listed = isFields(document) ? document['keys'] : undefined;
  return (Array.isArray(listed) ? listed.slice(0, MAX_KEYS) : []).flatMap((one: unknown) => {
    if (!isFields(one)) return [];
    const { keyid, key, expires = null, keytype, scheme } = one;
    const whole = typeof keyid === 'string' && typeof key === 'string' && (expires === null || typeof expires === 'string');
    return whole && keytype === ECDSA && scheme === ECDSA ? [{ expires, keyid, keytype, scheme, key }] : [];
  });
}

/** What is asked about the registry itself. This registry knows of no advisories, and says so in the form each client reads. */
export class AuditHandlers {
  private readonly signer: Signer | undefined;

  private readonly upstreams: UpstreamDocuments | undefined;

  constructor(signer: Signer | undefined, upstreams?: UpstreamDocuments) {
    this.signer = signer;
    this.upstreams = upstreams;
  }

  /** Our own, and those of the registries whose packages are served here: their versions keep their signatures. */
  keys = async (call: Plain): Promise<Reply> => {
    const [own = [], theirs = []] = await Promise.all([
      this.signer?.keys(),
      this.upstreams?.documents('-/npm/v1/keys', call.signal),
    ]);
    const keys = new Map(own.map((key) => [key.keyid, key]));
    for (const key of theirs.flatMap(keysIn)) if (!keys.has(key.keyid)) keys.set(key.keyid, key);
    if (keys.size === 0) throw new RegistryError('not_found', 'This registry does not sign packages');
    return json({ keys: [...keys.values()] }, 'revalidate');
  };

  bulk = async (call: Plain<RequestBody>): Promise<Reply> => {
    await drain(call.body);
    return json({}, 'no-store');
  };

  /** The older form: a report rather than advisories. */
  report = async (call: Plain<RequestBody>): Promise<Reply> => {
    await drain(call.body);
    const metadata = {
      vulnerabilities: NONE,
      dependencies: 0,
      devDependencies: 0,
      optionalDependencies: 0,
      totalDependencies: 0,
    };
    return json({ actions: [], advisories: {}, muted: [], metadata }, 'no-store');
  };
}
