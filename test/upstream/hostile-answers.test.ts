import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { UpstreamFailure } from '../../ts/upstream/ask.js';
import { answer, asking, CANARY, failureOf, mockUpstream, redirect, textOf, told, wanted } from './upstream-rig.js';

type Row = readonly [name: string, bytes: string | Uint8Array];

const head = (status: string, ...lines: string[]) => [status, ...lines, '', ''].join('\r\n');
const ok = (...lines: string[]) => head('HTTP/1.1 200 OK', ...lines);
const rows = (names: readonly (string | number)[], bytes: (name: string) => string | Uint8Array): Row[] =>
  names.map((name) => [String(name), bytes(String(name))]);

const STATUSES = [
  201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 304, 305, 306, 309, 399, 400, 402, 405, 406, 407, 408, 409, 411, 412, 413,
  414, 415,
].concat([416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 431, 451, 499, 600, 601, 799, 999]);
const PASSING = [429, 500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 530, 599];

const STATUS_LINES = [
  ...[
    'HTTP/1.1 abc OK',
    'HTTP/1.1 -200 OK',
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1',
    'HTTP/1.1200 OK',
    'HTTP/9.9 200 OK',
    'HTP/1.1 200 OK',
  ],
  ...[
    'ICY 200 OK',
    '200 OK',
    ' HTTP/1.1 200 OK',
    'SSH-2.0-OpenSSH_9.6',
    '220 mail.example ESMTP',
    'GET / HTTP/1.1',
    '<html>',
    '{}',
    '\u0000\u0001\u0002',
    '+OK',
  ],
  ...['HTTP/1.1 200\u0000OK', 'HTTP/1.1 OK', '\u0016\u0003\u0001\u0002\u0000\u0001'],
];

const HEADERS: Row[] = [
  ['17 KiB of one header', ok(`X: ${'x'.repeat(17_000)}`, 'Content-Length: 0')],
  ['17 KiB of many', ok(...Array.from({ length: 3_000 }, (_, at) => `X-${at}: y`), 'Content-Length: 0')],
  ['a header that never ends', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`],
  ['NUL in a header', ok('X: a\u0000b', 'Content-Length: 0')],
  ['a header without a colon', ok('Content-Length 5', 'X: y')],
  ['a header without a name', ok(': x', 'Content-Length: 0')],
  ['a space before the colon', ok('Content-Length : 0')],
  ['a bare CR', ok('X: a\rb', 'Content-Length: 0')],
  ['a length below nothing', ok('Content-Length: -1')],
  ['a length with a sign', ok('Content-Length: +0')],
  ['a length in hexadecimal', ok('Content-Length: 0x0')],
  ['a list of lengths', ok('Content-Length: 0, 0')],
  ['two lengths', `${ok('Content-Length: 1', 'Content-Length: 2')}ab`],
  ['a length of a gigabyte', ok('Content-Length: 1000000000')],
  ['a length beyond all numbers', ok(`Content-Length: ${'9'.repeat(40)}`)],
  ['a length beyond exact numbers', ok('Content-Length: 9007199254740993')],
  ['length and chunks', `${ok('Content-Length: 1', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
  ['another transfer coding', ok('Transfer-Encoding: gzip', 'Connection: close')],
  ['chunks that are not last', `${ok('Transfer-Encoding: chunked, gzip', 'Connection: close')}0\r\n\r\n`],
  ['a transfer coding that nobody knows', `${ok('Transfer-Encoding: xchunked', 'Connection: close')}0\r\n\r\n`],
  ['two transfer codings', `${ok('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`],
  ['an upgrade', head('HTTP/1.1 101 Switching Protocols', 'Connection: upgrade', 'Upgrade: websocket')],
  ['only a promise', head('HTTP/1.1 100 Continue')],
  ['only hints', head('HTTP/1.1 103 Early Hints', 'Link: </x>')],
  ['nothing', ''],
  ['half a head', 'HTTP/1.1 200 OK\r\nContent-Le'],
  ...rows(['br', 'deflate', 'zstd', 'compress', 'gzip, gzip', 'br, gzip', 'gzip;q=1', 'x', '*', 'gzip\t,'], (coding) =>
    answer(gzipSync('x'), { 'Content-Encoding': coding }),
  ),
];

const CHUNKS = [
  ...[
    '',
    '5\r\nab',
    '5\r\nabcde',
    '5\r\nabcde\r\n',
    '5\r\nabcde\r\n0',
    '5\r\nabcde\r\n0\r\n',
    '5\r\nabcdefgh\r\n0\r\n\r\n',
    '-1\r\n\r\n0\r\n\r\n',
    '+1\r\na\r\n0\r\n\r\n',
  ],
  ...[
    '0x1\r\na\r\n0\r\n\r\n',
    'g\r\n\r\n',
    '\r\n\r\n',
    ' 1\r\na\r\n0\r\n\r\n',
    'ffffffffffffffff\r\na',
    'fffffffffffffffff\r\na',
    '1_0\r\na',
    '1\ra\r\n0\r\n\r\n',
  ],
  ...[`1;${'x'.repeat(40_000)}\r\na\r\n0\r\n\r\n`, `0\r\n${'X: y\r\n'.repeat(10_000)}\r\n`, '1\r\naX0\r\n\r\n'],
];

const LOCATIONS = [
  ...[
    '',
    ' ',
    'file:///etc/passwd',
    'file://127.0.0.1/etc/passwd',
    'javascript:alert(1)',
    'data:text/plain,x',
    'ftp://files.example/x',
    'gopher://files.example/x',
  ],
  ...[
    'ws://files.example/',
    'wss://files.example/',
    'blob:http://files.example/x',
    'about:blank',
    'mailto:x@files.example',
    'unix:/run/x.sock',
    'http:',
    'http://',
  ],
  ...[
    'https://',
    'http:///',
    '//',
    '///',
    '//localhost/',
    '//127.0.0.1/',
    '//[::1]/',
    '\\\\127.0.0.1\\',
    '/\\127.0.0.1/',
    'http:\\\\127.0.0.1',
    '/\tx',
    '/x y',
    '/\u00e9',
  ],
  ...[
    'http://a@files.example/',
    'http://a:b@files.example/',
    'http://:b@files.example/',
    '//a@files.example/',
    'http://files.example:22/',
    'http://files.example:99999/',
  ],
  ...[
    'http://files.example:-1/',
    'http://[::1',
    'http://[fe80::1%25lo]/',
    'http://%31%32%37.0.0.1/',
    'http://127.1/',
    'http://0x7f000001/',
    'http://0177.1/',
    'http://2130706433/',
  ],
  ...[
    'http://[::ffff:7f00:1]/',
    'http://localhost./',
    'http://169.254.169.254/latest/meta-data/',
    'http://metadata/',
    'http://0/',
    `/${'x'.repeat(9_000)}`,
    'http://.../',
  ],
];

const TABLE: Row[] = [
  ...rows(STATUSES, (status) => answer('no', {}, `${status} No`)),
  ...STATUS_LINES.map((line) => [`line ${JSON.stringify(line)}`, head(line, 'Content-Length: 0')] as const),
  ...HEADERS,
  ...CHUNKS.map(
    (chunks) => [`chunks ${JSON.stringify(chunks.slice(0, 40))}`, ok('Transfer-Encoding: chunked') + chunks] as const,
  ),
  ...LOCATIONS.flatMap((location) =>
    [301, 307].map(
      (status) => [`${status} to ${JSON.stringify(location.slice(0, 60))}`, redirect(location, `${status} Moved`)] as const,
    ),
  ),
  ['a redirect to nowhere', answer('', {}, '302 Found')],
];

/** No host, no path, nothing that the upstream has said but its status. */
const OWN_WORDS =
  /^(?:the upstream (?:answered \d{3}|answered with what is not HTTP|broke off|cannot be reached|sends (?:in a coding that was not asked for|more than 10000 bytes|a length that is none)|redirects more than 5 times|points to an address that cannot be used)|what the upstream sends is (?:not gzip|damaged|cut off))$/;

describe('hostile answers of an upstream', () => {
  it('are more than two hundred', () => expect(TABLE.length).toBeGreaterThan(200));

  it("X1, X3, X4, X13: fail as the upstream's fault, in words of our own, and the next request is answered", async () => {
    const own = await mockUpstream(({ path }, socket) => {
      const row = TABLE[Number(path.slice(1))];
      if (!row) return answer('still here');
      socket.end(row[1]);
      return undefined;
    });
    const { ask } = asking({ url: own.url, auth: { type: 'bearer', token: CANARY } });
    const wrong: string[] = [];
    const one = async (at: number, as: 'document' | 'artifact'): Promise<void> => {
      const failure: unknown = await failureOf(ask(wanted(String(at), { as, max: 10_000 }))).catch((error: unknown) => error);
      const refused = failure instanceof UpstreamFailure && failure.kind === 'upstream_failed' && OWN_WORDS.test(failure.message);
      if (!refused || told(failure).includes(CANARY)) wrong.push(`${TABLE[at]?.[0]} as ${as}: ${failure}`);
    };
    for (let at = 0; at < TABLE.length; at += 16)
      await Promise.all(TABLE.slice(at, at + 16).flatMap((_, more) => [one(at + more, 'document'), one(at + more, 'artifact')]));
    expect(wrong).toEqual([]);
    expect(await textOf(ask(wanted('end')))).toBe('still here');
    expect(own.heard.every(({ method }) => method === 'GET')).toBe(true);
  });

  it.each(PASSING)('X12: %i may pass, and says for how long', async (status) => {
    const pauses = {
      '/none': undefined,
      '/3': 3_000,
      '/0': 0,
      '/100': 60_000,
      '/99999999999999999999': 60_000,
      '/-1': undefined,
      '/x': undefined,
    } as const;
    const own = await mockUpstream(({ path }) =>
      answer('no', path === '/none' ? {} : { 'Retry-After': path.slice(1) }, `${status} No`),
    );
    const { ask } = asking(own);
    for (const [path, pause] of Object.entries(pauses)) {
      const failure = await failureOf(ask(wanted(path.slice(1))));
      expect([failure.kind, failure.passing, failure.message]).toEqual([
        'upstream_failed',
        true,
        `the upstream answered ${status}`,
      ]);
      if (path !== '/-1') expect(failure.retryAfter, path).toBe(pause);
    }
  });

  it('X12: a date says for how long as well', async () => {
    let date = '';
    const own = await mockUpstream(() => answer('no', { 'Retry-After': date }, '503 No'));
    const { ask } = asking(own);
    date = 'Thu, 01 Jan 1970 00:00:00 GMT';
    expect((await failureOf(ask(wanted('x')))).retryAfter).toBe(0);
    date = 'Fri, 01 Jan 2999 00:00:00 GMT';
    expect((await failureOf(ask(wanted('x')))).retryAfter).toBe(60_000);
  });

  it('X12: only 404 and 410 say that there is no such thing', async () => {
    const own = await mockUpstream(({ path }) => answer('no', {}, `${path.slice(1)} No`));
    const { ask } = asking(own);
    for (const status of [404, 410]) expect(await ask(wanted(String(status)))).toEqual({ kind: 'absent' });
  });

  it('304 is believed only where there was something to compare', async () => {
    const own = await mockUpstream(() => 'HTTP/1.1 304 Not Modified\r\n\r\n');
    const { ask } = asking(own);
    expect((await failureOf(ask(wanted('x')))).message).toBe('the upstream answered 304');
    expect(await ask(wanted('x', { etag: '"1"' }))).toEqual({ kind: 'unchanged' });
    expect(await ask(wanted('x', { lastModified: 'Sun, 01 Jan 2023 00:00:00 GMT' }))).toEqual({ kind: 'unchanged' });
  });

  it('that nobody sends fail as passing: no server, no such name', async () => {
    const own = await mockUpstream(() => answer(''));
    const { ask } = asking(own);
    await own.stop();
    for (const asked of [ask, asking({ url: 'https://nowhere.example/' }).ask]) {
      const failure = await failureOf(asked(wanted('x')));
      expect([failure.kind, failure.passing, failure.message]).toEqual([
        'upstream_failed',
        true,
        'the upstream cannot be reached',
      ]);
    }
  });
});
