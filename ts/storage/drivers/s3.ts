import type { Readable } from 'node:stream';
import type { GetObjectCommandOutput, PutObjectCommandInput } from '@aws-sdk/client-s3';
import { type Runtime, systemRuntime } from '../../lib/clock.js';
import { composeByStream } from '../abilities.js';
import type {
  CallOptions,
  ComposingDriver,
  CopyingDriver,
  ListedObject,
  ListOptions,
  ListPage,
  ObjectInfo,
  Piece,
  ProgressOptions,
  ReadOptions,
  StoredObject,
  WriteBody,
  WriteOptions,
} from '../driver.js';
import type { ProbedDriver, ProbeFinding } from '../probe-driver.js';
import { probeS3 } from '../probe-s3.js';
import { StorageError } from '../storage-error.js';
import { type CallPlan, S3Connection, type S3ConnectionOptions } from './s3-client.js';
import { type ComposeTarget, composeObjects } from './s3-compose.js';
import { copyObject } from './s3-copy.js';
import { deleteObjects } from './s3-delete.js';
import { collect, stream } from './s3-download.js';
import type { MultipartTarget } from './s3-multipart.js';
import { PART_BYTES, type PartBudgets, processPartBudgets } from './s3-part-memory.js';
import { Source } from './s3-source.js';
import { put, upload } from './s3-upload.js';

export interface S3DriverOptions extends Omit<S3ConnectionOptions, 'runtime'> {
  readonly bucket: string;
  /** Folder within the bucket, with or without a final slash. */
  readonly prefix?: string | undefined;
  readonly runtime?: Runtime | undefined;
  /** Memory for bodies under way. Default: 80 MiB shared by all drivers of the process. */
  readonly partBudgets?: PartBudgets | undefined;
  /** Milliseconds that the store may stay silent inside a download. Default 30,000. */
  readonly idleTimeout?: number | undefined;
  /** Bytes above which a copy goes in parts; S3's own limit is 5 GiB. */
  readonly maxSingleCopy?: number | undefined;
}

const IN_MEMORY_BYTES = 64 * 1_024;
const CREATE_MAX_BYTES = 1_024 * 1_024;
const LIST_MAX = 1_000;
const IDLE_TIMEOUT = 30_000;
const PREFIX = /^[A-Za-z0-9._~-]+(\/[A-Za-z0-9._~-]+)*$/;

/**
 * One bucket of S3, or of a store that speaks its protocol. Bodies are always sized, signed buffers: a store may keep the first half of a body that
 * nobody signed. Creates are never sent twice: a lost answer is `unknown`, and the caller reads. (reliability §3.2, the S3 rules.)
 */
export class S3Driver implements CopyingDriver, ComposingDriver, ProbedDriver {
  readonly name = 's3';
  private readonly options: S3DriverOptions;
  private readonly prefix: string;
  private readonly connection: S3Connection;
  /** False once the store has refused what `compose` does, and taken the same bytes as a stream. */
  private composes = true;

  /** Throws a StorageError `invalid` for a prefix outside the key grammar. Connects, and loads the SDK, at the first call. */
  constructor(options: S3DriverOptions) {
    const folder = (options.prefix ?? '').replace(/^\/+|\/+$/g, '');
    if (folder !== '' && (!PREFIX.test(folder) || folder.split('/').some((part) => part === '.' || part === '..'))) {
      throw new StorageError('invalid', 's3: the prefix may hold letters, digits, . _ ~ - and single slashes');
    }
    this.options = options;
    this.prefix = folder === '' ? '' : `${folder}/`;
    this.connection = new S3Connection({ ...options, runtime: options.runtime ?? systemRuntime });
  }

  get probeIdentity(): string {
    return `s3 ${this.options.endpoint ?? `aws ${this.options.region ?? ''}`} ${this.options.bucket}/${this.prefix}`;
  }

  async stat(key: string, options: CallOptions = {}): Promise<ObjectInfo | undefined> {
    const input = this.at(key);
    const answer = await this.connection.call({ ...readPlan(`stat ${key}`, options), bodyless: true }, (client, attempt) =>
      client.headObject(input, attempt),
    );
    return answer === 'absent' || answer === 'exists'
      ? undefined
      : { size: answer.ContentLength ?? 0, modified: answer.LastModified?.getTime() ?? 0 };
  }

  async read(key: string, options: ReadOptions = {}): Promise<StoredObject | undefined> {
    const { range } = options;
    const what = `read ${key}`;
    const input = { ...this.at(key), ...(range ? { Range: `bytes=${range.start}-${range.end}` } : {}) };
    const answer = await this.connection.call({ ...readPlan(what, options), download: true }, (client, attempt) =>
      client.getObject(input, attempt),
    );
    if (answer === 'absent' || answer === 'exists') return undefined;
    const body = answer.Body as unknown as Readable;
    const length = answer.ContentLength;
    const size = range ? wholeSize(answer, range.start) : length;
    if (length === undefined || size === undefined) {
      body.destroy();
      throw new StorageError('unavailable', `s3: ${what}: the store did not say what it sends`);
    }
    const download = { ...this.downloadOptions(what, options), expected: length };
    return {
      size,
      modified: answer.LastModified?.getTime() ?? 0,
      body: length <= IN_MEMORY_BYTES ? await collect(body, download) : stream(body, download),
    };
  }

  async write(key: string, body: WriteBody, options: WriteOptions = {}): Promise<'written' | 'exists'> {
    const target = this.target(`write ${key}`, key, options);
    if (options.ifAbsent) return this.create(target, body);
    if (body instanceof Uint8Array && body.byteLength <= PART_BYTES) await put(target, body);
    else
      await upload({ ...target, budgets: this.options.partBudgets ?? processPartBudgets, onProgress: options.onProgress }, body);
    return 'written';
  }

  async delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    await deleteObjects(
      this.connection,
      this.options.bucket,
      keys.map((key) => this.prefix + key),
      options.signal,
    );
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    const limit = Math.min(LIST_MAX, Math.max(1, options.limit ?? LIST_MAX));
    const input = {
      Bucket: this.options.bucket,
      Prefix: this.prefix + prefix,
      MaxKeys: limit,
      ...(options.after === undefined ? {} : { StartAfter: this.prefix + options.after }),
    };
    const answer = await this.connection.call(readPlan(`list ${prefix}`, options), (client, attempt) =>
      client.listObjectsV2(input, attempt),
    );
    if (typeof answer === 'string') throw new StorageError('unavailable', `s3: list ${prefix}: no listing`);
    const objects: ListedObject[] = [];
    for (const { Key, Size, LastModified } of answer.Contents ?? []) {
      // Folder markers that other tools leave behind are no objects of ours.
      if (!Key?.startsWith(this.prefix) || Key.endsWith('/')) continue;
      objects.push({ key: Key.slice(this.prefix.length), size: Size ?? 0, modified: LastModified?.getTime() ?? 0 });
    }
    const last = answer.Contents?.at(-1)?.Key;
    if (!answer.IsTruncated) return { objects };
    if (last === undefined) throw new StorageError('unavailable', `s3: list ${prefix}: an endless empty listing`);
    return { objects, next: last.slice(this.prefix.length) };
  }

  /** Server-side; above 5 GiB in parts. */
  copy(from: string, to: string, options: CallOptions = {}): Promise<'written' | 'absent'> {
    const what = `copy ${to}`;
    const inParts = (size: number) => composeObjects(this.composing(what, to, options), [{ key: from, size }]);
    return copyObject(this.target(what, to, options), this.prefix + from, inParts, this.options.maxSingleCopy);
  }

  /** Server-side, but for pieces below 5 MiB; wholly through this process on a store that does not take parts of different sizes, or copies as parts. */
  async compose(pieces: readonly Piece[], to: string, options: ProgressOptions = {}): Promise<'written' | 'absent'> {
    if (!this.composes) return composeByStream(this, pieces, to, options);
    try {
      return await composeObjects(this.composing(`compose ${to}`, to, options), pieces);
    } catch (error) {
      if (!(error instanceof StorageError) || error.kind !== 'invalid') throw error;
      const answer = await composeByStream(this, pieces, to, options);
      this.composes = false;
      return answer;
    }
  }

  async probe(): Promise<readonly ProbeFinding[]> {
    const { bucket } = this.options;
    return probeS3({ driver: this, connection: this.connection, bucket, prefix: this.prefix });
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  private async create(target: MultipartTarget, body: WriteBody): Promise<'written' | 'exists'> {
    const bytes = body instanceof Uint8Array ? body : await gather(target, body);
    if (bytes.byteLength > CREATE_MAX_BYTES) throw tooLargeToCreate(target.what);
    const plan: CallPlan = {
      what: target.what,
      signal: target.signal,
      idempotent: false,
      changes: true,
      bytes: bytes.byteLength,
    };
    const input: PutObjectCommandInput = {
      Bucket: target.bucket,
      Key: target.key,
      Body: bytes,
      ContentLength: bytes.byteLength,
      IfNoneMatch: '*',
    };
    const answer = await this.connection.call(plan, (client, attempt) => client.putObject(input, attempt));
    if (answer === 'absent') throw new StorageError('unknown', `s3: ${target.what}: the store answers "absent" to a create`);
    return answer === 'exists' ? 'exists' : 'written';
  }

  private at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.options.bucket, Key: this.prefix + key };
  }

  private composing(what: string, to: string, { signal, onProgress }: ProgressOptions): ComposeTarget {
    const { partBudgets = processPartBudgets, maxSingleCopy } = this.options;
    return {
      ...this.target(what, to, { signal }),
      onProgress,
      budgets: partBudgets,
      prefix: this.prefix,
      maxCopy: maxSingleCopy,
      read: ({ key, start, length }) => this.read(key, { signal, range: { start, end: start + length - 1 } }),
    };
  }

  private target(what: string, key: string, options: CallOptions): MultipartTarget {
    return { connection: this.connection, bucket: this.options.bucket, key: this.prefix + key, what, signal: options.signal };
  }

  private downloadOptions(what: string, options: CallOptions) {
    return {
      what,
      runtime: this.connection.runtime,
      idleTimeout: this.options.idleTimeout ?? IDLE_TIMEOUT,
      signal: options.signal,
    };
  }
}

const readPlan = (what: string, options: CallOptions): CallPlan => ({
  what,
  signal: options.signal,
  idempotent: true,
  changes: false,
});

const tooLargeToCreate = (what: string): StorageError => new StorageError('invalid', `s3: ${what}: creates take at most 1 MiB`);

async function gather(target: MultipartTarget, body: WriteBody): Promise<Uint8Array> {
  const source = new Source(body);
  try {
    const buffer = new Uint8Array(CREATE_MAX_BYTES);
    const filled = await source.fill(buffer, 0, target.signal);
    if (!source.ended) throw tooLargeToCreate(target.what);
    return buffer.subarray(0, filled);
  } catch (error) {
    await source.close(error);
    throw error;
  }
}

/** The whole object's size from `Content-Range: bytes 0-9/100`; undefined when the store ignored the range or sent another one. */
function wholeSize(answer: GetObjectCommandOutput, start: number): number | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.ContentRange ?? '');
  return match && Number(match[1]) === start ? Number(match[2]) : undefined;
}
