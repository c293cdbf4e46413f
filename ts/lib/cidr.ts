import { BlockList, isIP } from 'node:net';
import { Recall } from './recall.js';

/** The same peers come again and again. */
const addresses = new Recall<string>({ longest: 64 });

/** An address without zone, IPv4 inside IPv6 unwrapped, in lower case; undefined when it is none. Accepts `[::1]` and a port, as proxies write them. */
export function parseAddress(text: string): string | undefined {
  const known = addresses.get(text);
  if (known !== undefined) return known;
  const address = readAddress(text);
  return address === undefined ? undefined : addresses.keep(text, address);
}

function readAddress(text: string): string | undefined {
  let address = text.trim().toLowerCase();
  const bracketed = /^\[([0-9a-f:.%a-z]+)\](?::\d{1,5})?$/.exec(address);
  if (bracketed) address = bracketed[1] as string;
  else if (/^[0-9.]+:\d{1,5}$/.test(address)) address = address.slice(0, address.indexOf(':'));
  const zone = address.indexOf('%');
  if (zone > 0) address = address.slice(0, zone);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  if (mapped) address = mapped[1] as string;
  return isIP(address) === 0 ? undefined : address;
}

/** A set of networks. */
export interface Networks {
  /** False for text that is not an address. */
  includes(address: string): boolean;
}

interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: 'ipv4' | 'ipv6';
}

function parseNetwork(text: string): Network | undefined {
  const [host = '', prefix, ...more] = text.trim().split('/');
  const version = isIP(host);
  if (version === 0 || more.length > 0 || host.includes('%')) return undefined;
  const most = version === 4 ? 32 : 128;
  if (prefix !== undefined && (!/^\d{1,3}$/.test(prefix) || Number(prefix) > most)) return undefined;
  return { address: host, bits: prefix === undefined ? most : Number(prefix), family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** True for `10.0.0.0/8`, `::1`, `fd00::/8`, `192.0.2.7`. */
export const isCidr = (text: string): boolean => parseNetwork(text) !== undefined;

/** Networks and single addresses (CIDR, RFC 4632). Throws a RangeError that names the first bad item. */
export function networks(items: readonly string[]): Networks {
  const list = new BlockList();
  for (const item of items) {
    const network = parseNetwork(item);
    if (!network) throw new RangeError(`not a network: ${item}`);
    list.addSubnet(network.address, network.bits, network.family);
  }
  return {
    includes: (text) => {
      const address = items.length === 0 ? undefined : parseAddress(text);
      return address !== undefined && list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
    },
  };
}
