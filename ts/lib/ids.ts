import { base32 } from './bytes.js';
import type { Random } from './clock.js';

/** 26 characters of base 32: 128 random bits and two that are zero. For ids and nonces. */
export const randomId = (random: Random): string => base32(random.bytes(16));

/** Milliseconds in 13 digits, so that keys sort by time. */
export const timeText = (milliseconds: number): string => String(milliseconds).padStart(13, '0');
