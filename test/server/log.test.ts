import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import { Log, loggedPath, type RequestRecord } from '../../ts/server/log.js';
import type { LogFormat, LogLevel } from '../../ts/server/option-rows.js';

const TOKEN = 'ent_abcdefgh234567_qrstuvwxyz234567abcdefgh';

function logged(format: LogFormat, level: LogLevel, use: (log: Log) => void): string[] {
  const lines: string[] = [];
  use(new Log({ format, level, clock: { ...systemRuntime.clock, now: () => 0 }, write: (line) => lines.push(line) }));
  return lines;
}

const record = (more: Partial<RequestRecord> = {}): RequestRecord => ({
  method: 'GET',
  path: '/npm/x',
  status: 200,
  bytes: 12,
  milliseconds: 1.234,
  user: 'u',
  repository: 'npm',
  route: 'packument',
  peer: '127.0.0.1',
  cut: false,
  ...more,
});

describe('a path in the log', () => {
  it.each([
    ['/npm/express?token=secret', '/npm/express'],
    ['/npm/express#secret', '/npm/express'],
    [`/npm/-/user/token/${TOKEN}`, '/npm/-/user/token/***'],
    ['/npm/-/user/token/anything-at-all/more', '/npm/-/user/token/***'],
    ['/npm/-/npm/v1/tokens/token/0123abcd', '/npm/-/npm/v1/tokens/token/***'],
    ['/npm/-/v1/login/session-of-somebody', '/npm/-/v1/login/***'],
    ['/npm/-/v1/done/session-of-somebody', '/npm/-/v1/done/***'],
    ['/npm/-/v1/confirm/session-of-somebody', '/npm/-/v1/confirm/***'],
    ['/npm/-/v1/confirmed/one-time-password-of-somebody', '/npm/-/v1/confirmed/***'],
    ['/npm/%2d/user/token/x', '/npm/-/user/token/***'],
    [`/npm/${TOKEN}/x`, '/npm/***/x'],
    ['/npm/ent%5fabcdefgh234567_qrstuvwxyz', '/npm/***'],
    ['/npm/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl', '/npm/***'],
    ['/npm/npm_0123456789abcdefghij', '/npm/***'],
    ['/npm/@acme%2fhello/-/hello-1.0.0.tgz', '/npm/@acme%2fhello/-/hello-1.0.0.tgz'],
    ['/npm/ent', '/npm/ent'],
  ])('%s is %s', (path, shown) => {
    expect(loggedPath(path)).toBe(shown);
  });

  it('is printable and short, whatever a client sends', () => {
    expect(loggedPath('/a\u001b[31m\n\u2028b')).toBe('/a\\u001b[31m\\u000a\\u2028b');
    expect(loggedPath(`/${'x'.repeat(100_000)}`)).toHaveLength(513);
  });
});

describe('lines', () => {
  it('are one JSON object for machines', () => {
    const [line = ''] = logged('json', 'info', (log) => log.request(record()));
    expect(JSON.parse(line)).toEqual({
      time: '1970-01-01T00:00:00.000Z',
      level: 'info',
      message: 'request',
      method: 'GET',
      path: '/npm/x',
      status: 200,
      bytes: 12,
      ms: 1.2,
      user: 'u',
      repository: 'npm',
      route: 'packument',
      peer: '127.0.0.1',
    });
  });

  it('are one line of text for people', () => {
    expect(logged('text', 'info', (log) => log.request(record({ user: undefined, cut: true })))).toEqual([
      '1970-01-01T00:00:00.000Z info  200 GET /npm/x 12 B 1.2 ms cut=yes repository=npm route=packument peer=127.0.0.1',
    ]);
    const [line] = logged('text', 'info', (log) => log.note('warn', 'a\nb', { c: 'd\u2028e' }));
    expect(line).toBe('1970-01-01T00:00:00.000Z warn  a\\u000ab c=d\\u2028e');
  });

  it('are left out below the level; announcements never are', () => {
    const use = (log: Log): void => {
      log.request(record());
      log.request(record({ status: 503 }));
      log.note('debug', 'detail');
      log.fault(new Error('broken'), 'here');
      log.announce('made', ['made'], {});
    };
    expect(logged('json', 'info', use)).toHaveLength(4);
    expect(logged('json', 'error', use)).toHaveLength(3);
    expect(logged('json', 'silent', use).map((line) => JSON.parse(line).message)).toEqual(['made']);
  });

  it('tell an operator where a fault was, with its cause', () => {
    const [line = ''] = logged('json', 'info', (log) =>
      log.fault(new Error('outer', { cause: new TypeError('inner') }), 'npm publish'),
    );
    expect(JSON.parse(line)).toMatchObject({
      level: 'error',
      message: 'Error: outer',
      where: 'npm publish',
      cause: 'TypeError: inner',
    });
    expect(logged('json', 'info', (log) => log.fault('text', 'x'))[0]).toContain('Error: text');
  });
});
