import { setMaxListeners } from 'node:events';
import { utf8 } from '../lib/bytes.js';
import { holdProcess, type Runtime } from '../lib/clock.js';
import { randomId } from '../lib/ids.js';
import type { StorageDriver } from './driver.js';
import type { S3Connection } from './drivers/s3-client.js';
import { probeScratchPrefix } from './key.js';
import type { ProbeFinding } from './probe-driver.js';
import { type RawAnswer, RawRequest, Signer } from './probe-raw-request.js';
import { StorageError } from './storage-error.js';

export interface S3ProbeTarget {
  /** The driver itself: the probe goes through it where a plain call is enough. */
  readonly driver: StorageDriver;
  readonly connection: S3Connection;
  readonly bucket: string;
  /** The configured folder, with a final slash; or empty. */
  readonly prefix: string;
}

const RACERS = 32;
const ROUNDS = 32;
const VISIBILITY_ROUNDS = 100;
const VISIBILITY_AT_ONCE = 10;
const CLEARED_AT_ONCE = 16;
const LISTED_ROUNDS = 10;
const LARGE_BYTES = 8 * 1_024 * 1_024;
/** A store may make the second creator wait for the first; longer than this and the first goes on. */
const STRADDLE_WAIT = 3_000;
const ANSWER_LIMIT = 60_000;
const ABORT_LOOKS = [0, 100, 400, 1_000];

/** All checks of reliability §3.2, in that order; stops at the first refusal, because later checks would only repeat it. */
export async function probeS3(target: S3ProbeTarget): Promise<readonly ProbeFinding[]> {
  const run = await S3Probe.open(target);
  const hold = holdProcess();
  try {
    for (const check of [run.createTwice, run.straddle, run.race, run.visibility, run.listing, run.cutUpload]) {
      const message = await check.call(run);
      if (message !== undefined) return [{ level: 'refusal', message }];
    }
    return [];
  } finally {
    await run.clear();
    hold.release();
  }
}

/** Each check returns the sentence that refuses the store, or nothing. */
class S3Probe {
  private readonly target: S3ProbeTarget;
  private readonly scratch: string;
  private readonly signer: Signer;
  private readonly limit = new AbortController();
  private readonly timer: { cancel(): void };
  private readonly open: RawRequest[] = [];
  private readonly written = new Set<string>();

  private constructor(target: S3ProbeTarget, signer: Signer) {
    this.target = target;
    this.signer = signer;
    this.scratch = probeScratchPrefix(randomId(this.runtime.random));
    // Every racer listens while it connects, and Node would warn the operator of a leak.
    setMaxListeners(RACERS * 2, this.limit.signal);
    this.timer = this.runtime.clock.after(ANSWER_LIMIT * 4, () => this.expire());
  }

  static async open(target: S3ProbeTarget): Promise<S3Probe> {
    return new S3Probe(target, await Signer.open(target.connection));
  }

  private get runtime(): Runtime {
    return this.target.connection.runtime;
  }

  async createTwice(): Promise<string | undefined> {
    const key = `${this.scratch}twice`;
    const [first, second] = [await this.create(key, 'first'), await this.create(key, 'second')];
    const text = await this.textOf(key);
    if (first === 'written' && second === 'exists' && text === 'first') return undefined;
    if (first === 'refused') return 'it refuses conditional writes (If-None-Match) altogether';
    return 'it ignores the condition of a write (If-None-Match): a second create of the same key replaced the first';
  }

  async straddle(): Promise<string | undefined> {
    const key = `${this.scratch}straddle`;
    const slow = await this.put(key, large(1), true);
    await slow.send(0.5);
    const fast = await this.put(key, Buffer.from('fast'), true);
    const fastAnswer = fast.finish();
    await Promise.race([fastAnswer, this.runtime.clock.sleep(STRADDLE_WAIT)]);
    const answers = [await slow.finish(), await fastAnswer];
    const text = await this.textOf(key);
    const winners = answers.filter(succeeded).length;
    const expected = answers[0] && succeeded(answers[0]) ? LARGE_BYTES : 'fast';
    if (winners === 1 && (typeof expected === 'number' ? text?.length === expected : text === expected)) return undefined;
    return `it checks the condition of a write only at the start of an upload: of two creates of one key that overlapped, ${winners} succeeded`;
  }

  async race(): Promise<string | undefined> {
    for (let round = 0; round < ROUNDS; round += 1) {
      const key = `${this.scratch}race-${round}`;
      const bodies = Array.from({ length: RACERS }, (_, racer) => Buffer.from(`racer ${racer}`));
      const racers = await Promise.all(bodies.map((body) => this.put(key, body, true)));
      const answers = await Promise.all(racers.map((racer) => racer.finish()));
      const winners = answers.flatMap((answer, racer) => (succeeded(answer) ? [racer] : []));
      const text = await this.textOf(key);
      if (winners.length > 1) {
        return `it lets more than one of ${RACERS} simultaneous creates of one key succeed (${winners.length} in round ${round + 1} of ${ROUNDS})`;
      }
      // All may be turned away (409); then nobody was told that it had won.
      const lost = answers.some((answer) => answer.status === 0 || answer.status >= 500);
      if (winners.length === 0 && (text === undefined || lost)) continue;
      if (text !== `racer ${winners[0]}`)
        return 'after simultaneous creates of one key it holds other bytes than those of the winner';
    }
    return undefined;
  }

  async visibility(): Promise<string | undefined> {
    const messages = new Set<string>();
    for (let start = 0; start < VISIBILITY_ROUNDS && messages.size === 0; start += VISIBILITY_AT_ONCE) {
      const keys = Array.from({ length: VISIBILITY_AT_ONCE }, (_, index) => `${this.scratch}seen-${start + index}`);
      const gets = await Promise.all(keys.map((key) => this.get(key)));
      const found = await Promise.all(keys.map((key, index) => this.seenElsewhere(key, gets[index])));
      for (const message of found) if (message !== undefined) messages.add(message);
    }
    return [...messages][0];
  }

  async listing(): Promise<string | undefined> {
    for (let round = 0; round < LISTED_ROUNDS; round += 1) {
      const key = `${this.scratch}listed/${round}`;
      await this.create(key, 'listed');
      const { objects } = await this.target.driver.list(`${this.scratch}listed/`);
      if (!objects.some((object) => object.key === key)) return 'a listing does not show a key that was just written';
    }
    return undefined;
  }

  async cutUpload(): Promise<string | undefined> {
    const key = `${this.scratch}cut`;
    const cut = await this.put(key, large(2), false);
    await cut.send(0.5);
    cut.destroy();
    for (const wait of ABORT_LOOKS) {
      await this.runtime.clock.sleep(wait);
      if (await this.target.driver.stat(key)) return 'it keeps what arrived of an upload that was cut off half-way';
    }
    return undefined;
  }

  /** Removes everything the probe wrote; what cannot be removed is harmless and stays. */
  async clear(): Promise<void> {
    this.timer.cancel();
    for (const request of this.open) request.destroy();
    const { driver } = this.target;
    // One by one and by name: a store that is about to be refused may not know how to delete many, nor list what is there.
    const keys = [...this.written];
    for (let start = 0; start < keys.length; start += CLEARED_AT_ONCE) {
      const some = keys.slice(start, start + CLEARED_AT_ONCE);
      await Promise.all(some.map((key) => driver.delete([key]).catch(() => undefined)));
    }
  }

  private expire(): void {
    this.limit.abort(new StorageError('unavailable', 's3: the probe took too long'));
    for (const request of this.open) request.destroy();
  }

  private async create(key: string, text: string): Promise<'written' | 'exists' | 'refused'> {
    this.written.add(key);
    try {
      return await this.target.driver.write(key, utf8(text), { ifAbsent: true });
    } catch (error) {
      if (error instanceof StorageError && error.kind === 'invalid') return 'refused';
      if (error instanceof StorageError && error.kind === 'conflict') return 'exists';
      throw error;
    }
  }

  private async seenElsewhere(key: string, get: RawRequest | undefined): Promise<string | undefined> {
    const { driver } = this.target;
    try {
      if (await driver.stat(key)) return 'it reports a key that nobody wrote';
      if (await driver.read(key)) return 'it reads a key that nobody wrote';
    } catch (error) {
      if (error instanceof StorageError && error.kind === 'denied') {
        return 'it answers 403 instead of 404 for a missing key: give these credentials the right to list the bucket';
      }
      throw error;
    }
    if ((await this.create(key, key)) !== 'written') return 'it says that a fresh key exists already';
    const answer = await get?.finish();
    return answer?.status === 200 && answer.body.toString() === key
      ? undefined
      : 'a key that was just created is not there for another connection';
  }

  private async textOf(key: string): Promise<string | undefined> {
    const found = await this.target.driver.read(key);
    if (!found) return undefined;
    if (found.body instanceof Uint8Array) return Buffer.from(found.body).toString('latin1');
    const chunks: Uint8Array[] = [];
    for await (const chunk of found.body as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk);
    return Buffer.concat(chunks).toString('latin1');
  }

  private async put(key: string, body: Buffer, ifAbsent: boolean): Promise<RawRequest> {
    const { bucket: Bucket, prefix } = this.target;
    const input = { Bucket, Key: prefix + key, Body: body, ContentLength: body.byteLength };
    this.written.add(key);
    return this.connect((client) => client.putObject(ifAbsent ? { ...input, IfNoneMatch: '*' } : input));
  }

  private get(key: string): Promise<RawRequest> {
    const { bucket: Bucket, prefix } = this.target;
    return this.connect((client) => client.getObject({ Bucket, Key: prefix + key }));
  }

  private async connect(run: Parameters<Signer['sign']>[0]): Promise<RawRequest> {
    const request = await RawRequest.open(await this.signer.sign(run), this.limit.signal);
    this.open.push(request);
    return request;
  }
}

const succeeded = (answer: RawAnswer): boolean => answer.status >= 200 && answer.status < 300;
const large = (fill: number): Buffer => Buffer.alloc(LARGE_BYTES, fill);
