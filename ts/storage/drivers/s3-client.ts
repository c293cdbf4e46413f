import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { S3, S3ClientConfig } from '@aws-sdk/client-s3';
import { holdProcess, type Runtime } from '../../lib/clock.js';
import { StorageError } from '../storage-error.js';
import { classify, type Failure, harmless, toStorageError } from './s3-errors.js';
import { MAX_ATTEMPTS, processRetryBudget, type RetryBudget, retryDelay } from './s3-retry.js';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3ConnectionOptions {
  /** URL of the store. Absent: AWS, by region. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** Absent: the SDK's own chain (environment, shared files, instance role). */
  readonly credentials?: S3Credentials | undefined;
  /** `https://host/bucket/key` instead of `https://bucket.host/key`. Default: true where an endpoint is named. */
  readonly pathStyle?: boolean | undefined;
  readonly runtime: Runtime;
  readonly retryBudget?: RetryBudget | undefined;
  /** Milliseconds that one attempt may take until its answer begins, besides the time for its bytes. Default 15,000. */
  readonly callTimeout?: number | undefined;
  /** Milliseconds in which a connection must stand. Default 5,000. */
  readonly connectTimeout?: number | undefined;
}

/** What is passed to every SDK call. */
export interface Attempt {
  readonly abortSignal: AbortSignal;
}

export interface CallPlan {
  /** For messages: the operation and its key. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  /** Sending it twice is the same as sending it once. */
  readonly idempotent: boolean;
  /** It may change the store. */
  readonly changes: boolean;
  /** A HEAD. */
  readonly bodyless?: boolean;
  /** Body size, which lengthens the time limit. */
  readonly bytes?: number;
  /** Its answer holds the connection for as long as somebody reads. */
  readonly download?: boolean;
}

/** A call that the store answered with "no such thing" or "it is there already". */
export type Refusal = 'absent' | 'exists';

const RETRIED: ReadonlySet<Failure['type']> = new Set(['refused', 'lost', 'unsent', 'conflict']);
const CALL_TIMEOUT = 15_000;
const CONNECT_TIMEOUT = 5_000;
const MAX_SOCKETS = 256;
/** One for each reader, however slow: those who only ask or write never wait behind them. */
const MAX_DOWNLOADS = 4_096;
/** The slowest link on which a part still arrives in time. */
const SLOWEST_BYTES_PER_MS = 64;

/** A client of one store with our own time limits and retries; the SDK's are off, because they retry creates blindly. */
export class S3Connection {
  private readonly options: S3ConnectionOptions;
  private readonly retryBudget: RetryBudget;
  private caller: Promise<S3> | undefined;
  private downloader: Promise<S3> | undefined;

  constructor(options: S3ConnectionOptions) {
    this.options = options;
    this.retryBudget = options.retryBudget ?? processRetryBudget;
  }

  get runtime(): Runtime {
    return this.options.runtime;
  }

  /** The only place that loads the SDK: it costs 60 ms and 27 MiB, which a folder registry must not pay. `config` overrides ours. */
  async newClient(config: S3ClientConfig = {}): Promise<S3> {
    const sdk = await import('@aws-sdk/client-s3');
    return new sdk.S3({ ...clientConfig(this.options), ...config });
  }

  /** Runs one call, again where that is allowed. Throws StorageErrors. */
  async call<T>(plan: CallPlan, run: (client: S3, attempt: Attempt) => Promise<T>): Promise<T | Refusal> {
    const client = await this.clientFor(plan);
    this.retryBudget.earn();
    for (let attempt = 1; ; attempt += 1) {
      if (plan.signal?.aborted) throw new StorageError('aborted', `s3: ${plan.what}: aborted`, plan.signal.reason);
      const outcome = await this.attempt(client, plan, run);
      if ('value' in outcome) return outcome.value;
      const { failure, error } = outcome;
      if (failure.type === 'absent' || failure.type === 'exists') return failure.type;
      if (failure.type === 'aborted' || !this.mayRetry(plan, failure, attempt)) {
        throw toCallError(failure, plan, error);
      }
      await this.pause(plan, retryDelay(this.runtime, attempt, failure.retryAfter));
    }
  }

  /** Closes idle connections. */
  async close(): Promise<void> {
    const clients = [this.caller, this.downloader];
    [this.caller, this.downloader] = [undefined, undefined];
    for (const client of clients) (await client)?.destroy();
  }

  private clientFor({ download }: CallPlan): Promise<S3> {
    if (!download) {
      this.caller ??= this.newClient();
      return this.caller;
    }
    this.downloader ??= this.newClient({ requestHandler: handlerOf(this.options, MAX_DOWNLOADS) });
    return this.downloader;
  }

  private async attempt<T>(
    client: S3,
    plan: CallPlan,
    run: (client: S3, attempt: Attempt) => Promise<T>,
  ): Promise<{ value: T } | { failure: Failure; error: unknown }> {
    const limit = new AbortController();
    const onAbort = (): void => limit.abort(plan.signal?.reason);
    plan.signal?.addEventListener('abort', onAbort, { once: true });
    const allowed = (this.options.callTimeout ?? CALL_TIMEOUT) + (plan.bytes ?? 0) / SLOWEST_BYTES_PER_MS;
    const timer = this.runtime.clock.after(allowed, () => limit.abort());
    try {
      return { value: await run(client, { abortSignal: limit.signal }) };
    } catch (error) {
      if (plan.signal?.aborted) return { failure: { type: 'aborted', code: 'aborted' }, error };
      if (limit.signal.aborted) return { failure: { type: 'lost', code: 'time-out' }, error };
      return { failure: classify(error, plan.bodyless), error };
    } finally {
      timer.cancel();
      plan.signal?.removeEventListener('abort', onAbort);
    }
  }

  private mayRetry(plan: CallPlan, failure: Failure, attempt: number): boolean {
    if (attempt >= MAX_ATTEMPTS) return false;
    const again = failure.type === 'busy' || (plan.idempotent && RETRIED.has(failure.type));
    return again && this.retryBudget.spend();
  }

  private async pause(plan: CallPlan, milliseconds: number): Promise<void> {
    const hold = holdProcess();
    try {
      await this.runtime.clock.sleep(milliseconds, plan.signal);
    } catch (error) {
      throw new StorageError('aborted', `s3: ${plan.what}: aborted`, error);
    } finally {
      hold.release();
    }
  }
}

/** A create that was cut while under way may have been applied, whoever cut it. */
function toCallError(failure: Failure, plan: CallPlan, error: unknown): StorageError {
  if (failure.type !== 'aborted') return toStorageError(failure, plan.what, plan.changes, error);
  return new StorageError(plan.changes && !plan.idempotent ? 'unknown' : 'aborted', `s3: ${plan.what}: aborted`, harmless(error));
}

const handlerOf = ({ connectTimeout }: S3ConnectionOptions, maxSockets: number) => ({
  connectionTimeout: connectTimeout ?? CONNECT_TIMEOUT,
  // The SDK's idle limit also cuts a download whose reader is slow; ours (here and in the body) count only the store's time.
  socketTimeout: 0,
  requestTimeout: 0,
  httpAgent: new HttpAgent({ keepAlive: true, maxSockets }),
  httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets }),
});

function clientConfig(options: S3ConnectionOptions): S3ClientConfig {
  return {
    region: options.region ?? 'us-east-1',
    ...(options.endpoint ? { endpoint: options.endpoint } : {}),
    ...(options.credentials ? { credentials: options.credentials } : {}),
    forcePathStyle: options.pathStyle ?? options.endpoint !== undefined,
    maxAttempts: 1,
    // Several stores answer 501 to the SDK's checksum trailers, and a trailer needs a body that is not signed.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Our bodies are small and in memory: waiting for a 100 costs a round trip, and six seconds on stores that never send it.
    expectContinueHeader: false,
    requestHandler: handlerOf(options, MAX_SOCKETS),
  };
}
