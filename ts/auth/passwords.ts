import { createHash, scrypt } from 'node:crypto';
import { invalid, RegistryError } from '../errors/registry-error.js';
import { type Random, systemRuntime } from '../lib/clock.js';
import { sameBytes } from './secret.js';

/** A stored password: scrypt (RFC 7914) with its cost, over the SHA-512 of the password's UTF-8. Salt and hash are base64url. */
export interface PasswordRecord {
  readonly n: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
  readonly hash: string;
}

export interface PasswordOptions {
  readonly random?: Random;
  /** scrypt's N, a power of two. Default 2^15, with r = 8: 32 MiB for each check under way. */
  readonly n?: number;
  /** Checks at the same time. Default 2: the thread pool has four threads, and the file system needs them too. */
  readonly concurrency?: number;
  /** Checks that may wait. Default 64; beyond that `RegistryError('rate_limited')`. */
  readonly queue?: number;
}

const LENGTH = 32;
const LONGEST = 1_024;
const SHORTEST = 8;
/** Nothing that stands in storage makes us spend more than this. */
const HIGHEST_COST = 2 ** 18;

/** Hashes and checks passwords, a bounded number at a time. */
export class Passwords {
  private readonly random: Random;
  private readonly n: number;
  private readonly concurrency: number;
  private readonly queue: number;
  private readonly waiting: (() => void)[] = [];
  private running = 0;
  private readonly nobody: PasswordRecord;

  constructor(options: PasswordOptions = {}) {
    this.random = options.random ?? systemRuntime.random;
    this.n = options.n ?? 2 ** 15;
    this.concurrency = options.concurrency ?? 2;
    this.queue = options.queue ?? 64;
    this.nobody = { n: this.n, r: 8, p: 1, salt: this.text(16), hash: this.text(LENGTH) };
  }

  private text(bytes: number): string {
    return Buffer.from(this.random.bytes(bytes)).toString('base64url');
  }

  /** Throws `RegistryError('invalid')` for a password of fewer than 8 or more than 1,024 bytes. Every byte counts, NUL too. */
  async hash(password: string): Promise<PasswordRecord> {
    const bytes = Buffer.byteLength(password);
    if (bytes < SHORTEST || bytes > LONGEST) throw invalid(`A password has ${SHORTEST} to ${LONGEST} bytes`);
    const record = { n: this.n, r: 8, p: 1, salt: this.text(16) };
    return { ...record, hash: (await this.derive(password, { ...record, hash: '' })).toString('base64url') };
  }

  /** The same work whether there is a record or not, so that an unknown user takes as long as a wrong password. */
  async verify(password: string, record: PasswordRecord | undefined): Promise<boolean> {
    const fits = Buffer.byteLength(password) <= LONGEST;
    const known = record !== undefined && record.n <= HIGHEST_COST && record.r <= 16 && record.p <= 4;
    const against = known ? record : this.nobody;
    const found = await this.derive(fits ? password : '', against);
    return sameBytes(found, Buffer.from(against.hash, 'base64url')) && known && fits;
  }

  private async derive(password: string, { n, r, p, salt }: PasswordRecord): Promise<Buffer> {
    await this.enter();
    try {
      // scrypt pads its input with zeros (as HMAC does with keys): without a digest in front, `x` and `x\0` were one password.
      const input = createHash('sha512').update(password).digest();
      return await new Promise<Buffer>((resolve, reject) => {
        const options = { N: n, r, p, maxmem: 256 * n * r };
        scrypt(input, Buffer.from(salt, 'base64url'), LENGTH, options, (error, key) => (error ? reject(error) : resolve(key)));
      });
    } finally {
      // A waiter takes the place over, so that nobody slips in between.
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }

  private async enter(): Promise<void> {
    if (this.running >= this.concurrency) {
      if (this.waiting.length >= this.queue) {
        throw new RegistryError('rate_limited', 'Too many password checks at once, try again', {
          headers: { 'retry-after': '5' },
        });
      }
      return new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    this.running++;
  }
}
