import { describe, expect, it } from 'vitest';
import { isCidr, networks, parseAddress } from '../../ts/lib/cidr.js';

describe('networks', () => {
  const some = networks(['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '::1']);
  it.each(['10.1.2.3', '192.0.2.7', '::ffff:10.9.9.9', '[fd12::1]:443', 'fd12::1%eth0', '::1', '10.0.0.1:80'])(
    'hold %s',
    (address) => {
      expect(some.includes(address)).toBe(true);
    },
  );
  it.each(['11.0.0.1', '192.0.2.8', 'fe80::1', '', 'localhost', '10.0.0', '10.0.0.1.5', 'unknown'])(
    'do not hold %j',
    (address) => {
      expect(some.includes(address)).toBe(false);
    },
  );
  it('refuse what is none, by name', () => {
    for (const text of ['10.0.0.0/33', '::/129', '10.0.0.0/x', 'example', '', '1.2.3.4/8/8', '10.0.0.0/-1']) {
      expect(isCidr(text)).toBe(false);
      expect(() => networks([text])).toThrow(`not a network: ${text}`);
    }
    expect(networks([]).includes('10.0.0.1')).toBe(false);
  });
  it('read addresses as proxies write them', () => {
    expect(parseAddress(' ::FFFF:1.2.3.4 ')).toBe('1.2.3.4');
    expect(parseAddress('[2001:DB8::1]')).toBe('2001:db8::1');
    expect(parseAddress('_hidden')).toBeUndefined();
  });
});
