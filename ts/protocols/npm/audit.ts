import { RegistryError } from '../../errors/registry-error.js';
import { json, type Reply } from '../../http/reply.js';
import type { Call, RequestBody } from '../../http/route.js';
import type { Signer } from './signer.js';
import type { NpmState } from './state.js';

type Plain<B = unknown> = Call<Record<never, never>, B, NpmState>;

/** Reads a body to its end without keeping it: the connection can be used again. */
async function drain(body: RequestBody): Promise<void> {
  for await (const _ of body.stream());
}

const NONE = { info: 0, low: 0, moderate: 0, high: 0, critical: 0 };

/** What is asked about the registry itself. This registry knows of no advisories, and says so in the form each client reads. */
export class AuditHandlers {
  private readonly signer: Signer | undefined;

  constructor(signer: Signer | undefined) {
    this.signer = signer;
  }

  ping = async (): Promise<Reply> => json({}, 'no-store');

  keys = async (): Promise<Reply> => {
    if (!this.signer) throw new RegistryError('not_found', 'This registry does not sign packages');
    return json({ keys: await this.signer.keys() }, 'revalidate');
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
