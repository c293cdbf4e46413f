import { lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { networks } from '../lib/cidr.js';

/** Asks for the addresses of a host name, as `dns.lookup` does. */
export type Lookup = LookupFunction;

/** Special-purpose IPv4 (RFC 6890 and its registry), multicast, reserved, and the one public address behind which a cloud has its metadata. */
const CLOSED_V4 = networks([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
]);
/** Only what is given out to the world: loopback, mapped, NAT64, unique local, link-local and multicast addresses all lie outside. */
const OPEN_V6 = networks(['2000::/3']);
/** Of these, what leads elsewhere: Teredo and other protocols' own, documentation, 6to4. */
const CLOSED_V6 = networks(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

/** An address that nobody but its operator may have the registry connect to. Its message names no host. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';

  constructor() {
    super('an address that is not public');
  }
}

/** True for addresses of the public internet; false for everything else, text that is no address included. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !CLOSED_V4.includes(address);
  return version === 6 && OPEN_V6.includes(address) && !CLOSED_V6.includes(address);
}

/**
 * Whether a host may be looked up at all. A socket connects to an address that stands in the URL without asking for it, so it is judged here. `hostname` as
 * `URL` writes it: that has turned decimal, octal and hexadecimal spellings into four numbers.
 */
export function isPublicHost(hostname: string): boolean {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  if (isIP(bare) !== 0) return isPublicAddress(bare);
  const name = bare.toLowerCase().replace(/\.$/, '');
  return name !== 'localhost' && !name.endsWith('.localhost') && name.includes('.');
}

/**
 * A `lookup` for sockets that fails with `AddressRefused` when any address of the answer is not public. The socket connects to what this answers and asks
 * nobody else: a name that changes its mind between check and use gains nothing.
 */
export const guardedLookup =
  (lookup: Lookup = systemLookup as Lookup): Lookup =>
  (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, answer) => {
      if (error) return callback(error, '', 0);
      const found = Array.isArray(answer) ? answer : [];
      const [first] = found;
      if (!first || !found.every(({ address }) => isPublicAddress(address))) return callback(new AddressRefused(), '', 0);
      if (options.all) callback(null, found);
      else callback(null, first.address, first.family);
    });
  };
