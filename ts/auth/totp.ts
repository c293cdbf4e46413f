import { createHmac } from 'node:crypto';
import { base32 } from '../lib/bytes.js';
import { sameBytes } from './secret.js';

/** Milliseconds that one code stands for (RFC 6238 §4: X). */
export const STEP_MS = 30_000;
/** Bytes of a secret (RFC 4226 §4, R6 recommends 160 bits). */
export const SECRET_BYTES = 20;

/** The six digits of one time step: HOTP with HMAC-SHA-1 (RFC 4226 §5.3) over the step's number (RFC 6238 §4.2). */
export function codeAt(secret: Uint8Array, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const digest = createHmac('sha1', secret).update(counter).digest();
  const offset = digest.readUInt8(digest.byteLength - 1) & 15;
  return String((digest.readUInt32BE(offset) & 0x7fff_ffff) % 1_000_000).padStart(6, '0');
}

export const stepAt = (now: number): number => Math.floor(now / STEP_MS);

/**
 * The step that `code` belongs to: the current one, or the one before or after it, because clocks differ (RFC 6238 §5.2). Undefined: none of these, or none
 * behind `used`, so that a code works once. Takes the same time for every code.
 */
export function stepOfCode(secret: Uint8Array, code: string, now: number, used: number): number | undefined {
  let found: number | undefined;
  for (const step of [stepAt(now) - 1, stepAt(now), stepAt(now) + 1]) {
    const right = step >= 0 && sameBytes(Buffer.from(codeAt(secret, Math.max(0, step))), Buffer.from(code));
    if (right && step > used) found ??= step;
  }
  return found;
}

/** What authenticator apps read from a QR code (https://github.com/google/google-authenticator/wiki/Key-Uri-Format). */
export function otpauthUrl(issuer: string, user: string, secret: Uint8Array): string {
  const query = new URLSearchParams({ secret: base32(secret).toUpperCase(), issuer });
  return `otpauth://totp/${encodeURIComponent(issuer)}:${encodeURIComponent(user)}?${query}`;
}
