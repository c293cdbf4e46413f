import { describe, expect, it } from 'vitest';
import { AddressRefused, guardedLookup, isPublicAddress, isPublicHost, type Lookup } from '../../ts/upstream/address-guard.js';
import { answer, asking, failureOf, mockUpstream, redirect, textOf, wanted } from './upstream-rig.js';

const CLOSED_V4 = [
  ...[
    '0.0.0.0',
    '0.1.2.3',
    '10.0.0.0',
    '10.255.255.255',
    '100.64.0.1',
    '100.127.255.255',
    '100.100.100.200',
    '127.0.0.1',
    '127.255.255.254',
  ],
  ...[
    '169.254.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.1',
    '192.0.0.192',
    '192.0.2.1',
    '192.88.99.1',
    '192.168.0.1',
  ],
  ...[
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.7',
    '203.0.113.7',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '168.63.129.16',
  ],
];
const CLOSED_V6 = [
  ...[
    '::',
    '::1',
    '::7f00:1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:8.8.8.8',
    '::ffff:0:8.8.8.8',
    '64:ff9b::8.8.8.8',
    '64:ff9b:1::1',
    '100::1',
  ],
  ...[
    '2001::1',
    '2001:db8::1',
    '2001:20::1',
    '2002:7f00:1::',
    '3fff::1',
    '5f00::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%lo',
    'fec0::1',
    'ff02::1',
  ],
];
const OPEN = [
  '1.1.1.1',
  '8.8.8.8',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '126.0.0.1',
  '128.0.0.1',
  '169.253.1.1',
  '172.15.1.1',
].concat([
  '172.32.0.0',
  '192.0.1.1',
  '192.167.1.1',
  '198.17.1.1',
  '198.20.0.0',
  '223.255.255.255',
  '168.63.129.17',
  '2606:4700::1111',
  '2a00:1450::1',
  '2001:4860::1',
]);

/** Hosts as URLs spell them, all of them this machine or its neighbours. */
const SPELLINGS = [
  ...[
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '2130706433',
    '0x7f000001',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '017700000001',
    '127.0.0.1.',
    '0',
    '0.0.0.0',
    '0x0',
  ],
  ...[
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:7f00:0001]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
  ],
  ...[
    'localhost',
    'LOCALHOST',
    'localhost.',
    'a.localhost',
    'a.localhost.',
    '①②⑦.⓪.⓪.①',
    '127。0。0。1',
    '127%2e0%2e0%2e1',
    'ｌｏｃａｌｈｏｓｔ',
  ],
  ...[
    '169.254.169.254',
    '0xa9fea9fe',
    '2852039166',
    '[fd00:ec2::254]',
    '[fe80::1]',
    '100.100.100.200',
    '168.63.129.16',
    '10.0.0.1',
    '0x0a000001',
  ],
  ...['192.168.1.1', '172.16.0.1', 'metadata', 'registry', '[fc00::1]', '[ff02::1]', '255.255.255.255', '224.0.0.1'],
];

describe('X3: addresses', () => {
  it('that are not given out to the world are closed', () => {
    expect([...CLOSED_V4, ...CLOSED_V6, 'localhost', '', '1.2.3', '01.2.3.4', '[::1]'].filter(isPublicAddress)).toEqual([]);
  });

  it('of the world are open', () => {
    expect(OPEN.filter((address) => !isPublicAddress(address))).toEqual([]);
  });

  it('in a URL are judged however they are spelled', () => {
    const open = SPELLINGS.filter((spelling) => isPublicHost(new URL(`http://${spelling}/`).hostname));
    expect(open).toEqual([]);
    for (const host of ['files.example', '8.8.8.8', '[2606:4700::1111]', 'localhost.example', 'files.example.'])
      expect(isPublicHost(host)).toBe(true);
  });
});

/** Answers with these, one list for each time it is asked. */
function answering(...lists: string[][]): Lookup & { asked: string[] } {
  const lookup = Object.assign(
    ((hostname, _, callback) => {
      lookup.asked.push(hostname);
      callback(
        null,
        (lists.shift() ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    }) satisfies Lookup,
    { asked: [] as string[] },
  );
  return lookup;
}

const looked = (lookup: Lookup, all: boolean) =>
  new Promise((resolve) => guardedLookup(lookup)('files.example', { all }, (error, address) => resolve(error ?? address)));

describe('X3: names', () => {
  it('are connected to at the addresses that were judged, and are not asked for again', async () => {
    const lookup = answering(['8.8.8.8', '2606:4700::1111'], ['127.0.0.1']);
    expect(await looked(lookup, true)).toEqual([
      { address: '8.8.8.8', family: 4 },
      { address: '2606:4700::1111', family: 6 },
    ]);
    expect(lookup.asked).toEqual(['files.example']);
    // the second answer of a name that changes its mind
    expect(await looked(lookup, false)).toBeInstanceOf(AddressRefused);
  });

  it('are refused when only one of their addresses is not public, and when they have none', async () => {
    for (const all of [true, false]) {
      for (const address of [...CLOSED_V4, ...CLOSED_V6]) {
        expect(await looked(answering(['8.8.8.8', address]), all), address).toBeInstanceOf(AddressRefused);
        expect(await looked(answering([address]), all), address).toBeInstanceOf(AddressRefused);
      }
      expect(await looked(answering([]), all)).toBeInstanceOf(AddressRefused);
    }
    expect(await looked(answering(['8.8.8.8']), false)).toBe('8.8.8.8');
  });

  it('that cannot be found fail as the system says', async () => {
    const failure = Object.assign(new Error('no'), { code: 'ENOTFOUND' });
    expect(await looked((_, __, callback) => callback(failure, '', 0), true)).toBe(failure);
  });

  it('are asked of the system when nobody else is named', async () => {
    const found = await new Promise((resolve) => guardedLookup()('127.0.0.1', {}, (error, address) => resolve(error ?? address)));
    expect(found).toBeInstanceOf(AddressRefused);
  });
});

describe('X3: what an upstream points to', () => {
  it('is not connected to on this machine or beside it: in a document, in a redirect, and on each hop', async () => {
    const inner = await mockUpstream(() => answer('inner secret'));
    const own = await mockUpstream(({ path }) => {
      if (path === '/hop') return redirect('hop2');
      return redirect(`http://${SPELLINGS[Number(path.slice(1))] ?? 'localhost'}:${inner.port}/`);
    });
    const { ask } = asking(own);
    for (const [at, spelling] of SPELLINGS.entries()) {
      const redirected = /^[\x21-\x7e]+$/.test(spelling) ? [String(at)] : [];
      for (const target of [
        `http://${spelling}:${inner.port}/`,
        `http://${spelling}/`,
        `https://${spelling}/x.tgz`,
        ...redirected,
      ]) {
        const failure = await failureOf(ask(wanted(target)));
        expect(failure.message, target).toBe('the upstream points to an address that cannot be used');
        expect(failure.passing).toBe(false);
      }
    }
    expect((await failureOf(ask(wanted('hop')))).message).toBe('the upstream points to an address that cannot be used');
    expect(inner.connections()).toBe(0);
  });

  it('is not connected to when its name leads there, whichever of its addresses it is', async () => {
    const own = await mockUpstream(({ path }) => redirect(`http://${path.slice(1)}.example/`));
    const lookup = answering(['127.0.0.1'], ['::1'], ['8.8.8.8', '10.0.0.1'], ['::ffff:127.0.0.1']);
    const { ask } = asking(own, { lookup });
    for (let at = 0; at < 4; at++) {
      const failure = await failureOf(ask(wanted(at % 2 === 0 ? `name-${at}` : `http://name-${at}.example/`)));
      expect([failure.message, failure.passing]).toEqual(['the upstream points to an address that cannot be used', false]);
    }
    expect(lookup.asked).toEqual(['name-0.example', 'name-1.example', 'name-2.example', 'name-3.example']);
  });

  it('has one of the two usual ports', async () => {
    const lookup = answering();
    const own = await mockUpstream(({ path }) => redirect(`http://files.example${path.replace('/', ':')}/`));
    const { ask } = asking(own, { lookup });
    for (const port of [1, 22, 25, 81, 442, 444, 6379, 8080, 8443, 9200, 65_535])
      for (const target of [String(port), `https://files.example:${port}/`, `http://files.example:${port}/`])
        expect((await failureOf(ask(wanted(target)))).message).toBe('the upstream points to an address that cannot be used');
    expect(lookup.asked).toEqual([]);
    for (const target of ['80', '443', 'https://files.example/', 'https://files.example:80/'])
      await failureOf(ask(wanted(target)));
    expect(lookup.asked.length).toBe(4);
  });

  it('may lie anywhere when the operator has named it, and only exactly there', async () => {
    const other = await mockUpstream(() => answer('file'));
    const own = await mockUpstream(() => redirect(`${other.url}/x`));
    const named = asking({ url: own.url, alsoAt: [other.url] });
    expect(await textOf(named.ask(wanted('x')))).toBe('file');
    expect(await textOf(named.ask(wanted(`${other.url}/y`)))).toBe('file');
    const further = await mockUpstream(() => answer('other file'));
    await failureOf(named.ask(wanted(`${further.url}/y`)));
    await failureOf(named.ask(wanted(`https://127.0.0.1:${other.port}/y`)));
    await failureOf(named.ask(wanted(`http://localhost:${other.port}/y`)));
    await failureOf(asking(own).ask(wanted('x')));
    expect(further.connections()).toBe(0);
    expect(other.heard.map(({ path }) => path)).toEqual(['/x', '/y']);
  });
});

describe('X3: targets', () => {
  it('go below the URL of the upstream, as they are written', async () => {
    const own = await mockUpstream(({ path }) => answer(path));
    for (const url of [`${own.url}/a%2fb`, `${own.url}/a%2fb/`, `${own.url}/a%2fb//`]) {
      const { ask } = asking({ url });
      for (const target of [
        '@acme%2fthing',
        '%40acme%2Fthing',
        'x?a=b/../c&d=%2e%2e',
        'x/-/x-1.0.0.tgz',
        '',
        '...',
        '.x',
        'x//y',
      ])
        expect(await textOf(ask(wanted(target))), target).toBe(`/a%2fb/${target}`);
    }
    const { ask } = asking({ url: own.url });
    expect(await textOf(ask(wanted('')))).toBe('/');
    expect(await textOf(ask(wanted(own.url)))).toBe('/');
    expect(await textOf(ask(wanted(`${own.url}?q`)))).toBe('/?q');
    expect(await textOf(ask(wanted(`${own.url}/a%2Fb/%40c?q#fragment`)))).toBe('/a%2Fb/%40c?q');
  });

  it('do not step out of it, name no other scheme and hold nothing that a request line cannot', async () => {
    const own = await mockUpstream(() => answer('own'));
    const { ask } = asking({ url: `${own.url}/npm/` });
    const steps = ['..', '../x', 'x/..', 'x/../y', './x', 'x/.', '%2e%2e/x', '.%2E/x', 'x/%2e', '%2E.', '..?x'];
    const schemes = [
      'file:///etc/passwd',
      'javascript:alert(1)',
      'data:,x',
      'ftp://x.example/',
      'gopher://x/',
      'blob:x',
      'ws://x.example',
      'mailto:x',
      'http:x',
      'https:/x',
    ];
    const shapes = [
      '/x',
      '//files.example/x',
      '///x',
      '\\\\x',
      'x\\..\\y',
      'x y',
      'x\ty',
      'x\r\nHost: y',
      'x\u0000',
      'x\u00e9',
      '#x',
      'x#y',
      'x'.repeat(8_193),
    ];
    const urls = [
      'http://',
      'http:///x',
      'http://?x',
      'http://#',
      'http://a@files.example/',
      'http://a:b@files.example/',
      'http://files.example:99999/',
    ].concat([
      'http://[::1',
      'http://files.example:x/',
      'http://files.example/../x',
      'http://files.example/%2e%2e/x',
      'http://%00/',
      'http://files.example\\@x/',
      'http:\\\\x',
    ]);
    for (const target of [...steps, ...schemes, ...shapes, ...urls, `${own.url}/npm/../x`, own.url.replace('//', '//a@')]) {
      const failure = await failureOf(ask(wanted(target)));
      expect([failure.message, failure.passing], target).toEqual([
        'the upstream points to an address that cannot be used',
        false,
      ]);
    }
    expect(own.connections()).toBe(0);
  });
});
