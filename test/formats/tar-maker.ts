import { concat, utf8 } from '../../ts/lib/bytes.js';

/** Raw fields of one header block; what is left out is what tools write. */
export interface BlockFields {
  readonly name?: string | Uint8Array;
  readonly prefix?: string;
  readonly flag?: string;
  /** A number, or the field's own text. */
  readonly size?: number | string;
  readonly magic?: string;
  readonly mode?: string;
  readonly link?: string;
  readonly time?: string;
  readonly checksum?: string;
}

const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;

/** One tar header block, as wrong as the test wants it. */
export function block(fields: BlockFields = {}): Uint8Array {
  const out = Buffer.alloc(512);
  const name = fields.name ?? 'package/package.json';
  out.set(typeof name === 'string' ? utf8(name).subarray(0, 100) : name.subarray(0, 100));
  out.write(`${fields.mode ?? '0000644\0'}${'0000000\0'.repeat(2)}`, 100, 'latin1');
  const { size = 0 } = fields;
  out.write(typeof size === 'string' ? size : octal(size, 11), 124, 'latin1');
  out.write(fields.time ?? octal(0, 11), 136, 'latin1');
  out.write(fields.flag ?? '0', 156, 'latin1');
  out.write(fields.link ?? '', 157, 'utf8');
  out.write(fields.magic ?? 'ustar\u000000', 257, 'latin1');
  out.write(fields.prefix ?? '', 345, 'utf8');
  out.fill(' ', 148, 156);
  let sum = 0;
  for (let at = 0; at < out.length; at++) sum += out[at] as number;
  out.write(fields.checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return out;
}

export const padded = (bytes: Uint8Array): Uint8Array => concat([bytes, new Uint8Array((512 - (bytes.length % 512)) % 512)]);

export const END = new Uint8Array(1024);

/** A file entry, whole. */
export const file = (name: string, content: string | Uint8Array = '', fields: BlockFields = {}): Uint8Array => {
  const bytes = typeof content === 'string' ? utf8(content) : content;
  return concat([block({ name, size: bytes.length, ...fields }), padded(bytes)]);
};

export const directory = (name: string, fields: BlockFields = {}): Uint8Array => block({ name, flag: '5', ...fields });

/** PAX records: each counts its own length. */
export function records(pairs: readonly (readonly [string, string | Uint8Array])[]): Uint8Array {
  return concat(
    pairs.map(([key, value]) => {
      const rest = concat([utf8(` ${key}=`), typeof value === 'string' ? utf8(value) : value, utf8('\n')]);
      let length = rest.length + 1;
      while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
      return concat([utf8(String(length)), rest]);
    }),
  );
}

/** An extension header with its payload. */
export const extension = (flag: string, payload: Uint8Array, fields: BlockFields = {}): Uint8Array =>
  concat([block({ name: 'PaxHeader/x', flag, size: payload.length, ...fields }), padded(payload)]);

export const pax = (...pairs: readonly (readonly [string, string | Uint8Array])[]): Uint8Array => extension('x', records(pairs));
export const globalPax = (...pairs: readonly (readonly [string, string | Uint8Array])[]): Uint8Array =>
  extension('g', records(pairs));
export const longName = (name: string): Uint8Array =>
  extension('L', utf8(`${name}\0`), { name: '././@LongLink', magic: 'ustar  \0' });

/** A whole archive. */
export const archive = (...parts: readonly Uint8Array[]): Uint8Array => concat([...parts, END]);
