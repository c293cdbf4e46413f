import { createHmac } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function bytesOf(base32: string): Buffer {
  const bits = [...base32].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, '0')).join('');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** An authenticator app: what it shows for an `otpauth:` URL, or for a secret typed in, at a time in milliseconds. */
export function shownBy(urlOrSecret: string, now: number): string {
  const secret = urlOrSecret.startsWith('otpauth:') ? (new URL(urlOrSecret).searchParams.get('secret') ?? '') : urlOrSecret;
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30_000)));
  const mac = createHmac('sha1', bytesOf(secret)).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0xf;
  const number = ((mac[offset] ?? 0) & 0x7f) * 2 ** 24 + mac.readUIntBE(offset + 1, 3);
  return String(number).slice(-6).padStart(6, '0');
}
