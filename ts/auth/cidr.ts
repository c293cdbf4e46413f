import { BlockList, isIP } from 'node:net';

interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** `10.0.0.0/8`, `2001:db8::/32`, or one address. */
function parse(text: string): Network | undefined {
  const [address = '', suffix, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return undefined;
  const width = version === 4 ? 32 : 128;
  if (suffix !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(suffix)) return undefined;
  const bits = suffix === undefined ? width : Number(suffix);
  return bits > width ? undefined : { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' };
}

const blockOf = ({ address, bits, family }: Network): BlockList => {
  const list = new BlockList();
  list.addSubnet(address, bits, family);
  return list;
};

export const isCidr = (text: string): boolean => parse(text) !== undefined;

/** True when `address` lies in one of `ranges`. An unknown address, or a range that does not parse, is outside. */
export function addressIn(ranges: readonly string[], address: string | undefined): boolean {
  const version = address === undefined ? 0 : isIP(address);
  if (address === undefined || version === 0) return false;
  return ranges.some((range) => {
    const network = parse(range);
    return network !== undefined && blockOf(network).check(address, version === 4 ? 'ipv4' : 'ipv6');
  });
}

/** Those of `inner` that lie wholly within one of `outer`. */
export function rangesWithin(inner: readonly string[], outer: readonly string[]): string[] {
  return inner.filter((text) => {
    const network = parse(text);
    if (!network) return false;
    return outer.some((range) => {
      const wider = parse(range);
      return (
        wider?.family === network.family && wider.bits <= network.bits && blockOf(wider).check(network.address, network.family)
      );
    });
  });
}
