import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { type Keys, unwrapKey, type WrappedKey, wrapKey } from '../../auth/secret.js';
import { unavailable } from '../../errors/registry-error.js';
import { utf8 } from '../../lib/bytes.js';
import type { Runtime } from '../../lib/clock.js';
import { streamToBuffer } from '../../lib/streams.js';
import type { StorageDriver } from '../../storage/driver.js';
import { signingKeySlot } from '../../storage/key.js';
import type { Signature } from './state.js';

/** A public key as `/-/npm/v1/keys` lists it. */
export interface PublicKey {
  readonly expires: string | null;
  readonly keyid: string;
  readonly keytype: 'ecdsa-sha2-nistp256';
  readonly scheme: 'ecdsa-sha2-nistp256';
  /** SPKI, base64. */
  readonly key: string;
}

/** Signs what is published: ECDSA P-256 with SHA-256 over `name@version:integrity`, DER in base64. */
export interface Signer {
  sign(message: string): Promise<Signature>;
  keys(): Promise<readonly PublicKey[]>;
}

const PURPOSE = 'npm-signing';
const MAX_FILE = 16 * 1024;

interface KeyFile {
  readonly v: 1;
  /** SPKI, base64. */
  readonly public: string;
  readonly wrapped: WrappedKey;
}

interface Pair {
  readonly privateKey: KeyObject;
  readonly published: PublicKey;
}

const pairOf = (privateKey: KeyObject): Pair => {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const keyid = `SHA256:${createHash('sha256').update(spki).digest('base64').replace(/=+$/, '')}`;
  const key = spki.toString('base64');
  return { privateKey, published: { expires: null, keyid, keytype: 'ecdsa-sha2-nistp256', scheme: 'ecdsa-sha2-nistp256', key } };
};

/** One key pair for all instances over one storage: made by whoever comes first, its private half wrapped under the operator's secret. */
export class StoredSigner implements Signer {
  private readonly driver: StorageDriver;
  private readonly secrets: Keys;
  private readonly runtime: Runtime;
  private pair: Promise<Pair> | undefined;

  constructor(driver: StorageDriver, secrets: Keys, runtime: Runtime) {
    this.driver = driver;
    this.secrets = secrets;
    this.runtime = runtime;
  }

  async sign(message: string): Promise<Signature> {
    const { privateKey, published } = await this.load();
    return { keyid: published.keyid, sig: sign('sha256', utf8(message), privateKey).toString('base64') };
  }

  async keys(): Promise<readonly PublicKey[]> {
    return [(await this.load()).published];
  }

  private load(): Promise<Pair> {
    this.pair ??= this.open();
    this.pair.catch(() => {
      this.pair = undefined;
    });
    return this.pair;
  }

  private async open(): Promise<Pair> {
    return (await this.stored()) ?? (await this.make());
  }

  private async stored(): Promise<Pair | undefined> {
    const found = await this.driver.read(signingKeySlot(PURPOSE, 0));
    if (!found) return undefined;
    const bytes = found.body instanceof Uint8Array ? found.body : await streamToBuffer(found.body, { limit: MAX_FILE });
    const { wrapped } = JSON.parse(Buffer.from(bytes).toString('utf8')) as KeyFile;
    const der = unwrapKey(this.secrets, PURPOSE, wrapped);
    if (!der) throw unavailable('the signing key in storage was made under another secret');
    return pairOf(createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' }));
  }

  private async make(): Promise<Pair> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const der = privateKey.export({ type: 'pkcs8', format: 'der' });
    const pair = pairOf(privateKey);
    const file: KeyFile = { v: 1, public: pair.published.key, wrapped: wrapKey(this.secrets, PURPOSE, der, this.runtime.random) };
    await this.driver.write(signingKeySlot(PURPOSE, 0), utf8(`${JSON.stringify(file)}\n`), { ifAbsent: true });
    // Whoever was first: all instances sign with the one that stands there.
    const winner = await this.stored();
    if (!winner) throw unavailable('the signing key could not be stored');
    return winner;
  }
}
