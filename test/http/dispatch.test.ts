import { describe, expect, it } from 'vitest';
import { RegistryError, unavailable } from '../../ts/errors/registry-error.js';
import { empty, file } from '../../ts/http/reply.js';
import { DEFAULT_LIMITS } from '../../ts/http/site.js';
import { UnknownChange } from '../../ts/log/schema.js';
import { ObjectTooLarge } from '../../ts/storage/object-store.js';
import { StorageError } from '../../ts/storage/storage-error.js';
import { ManualClock, manualRuntime, settle } from './manual-clock.js';
import { publicGet, textOf, toy, toyErrors, WatchedContent } from './toy.js';

async function failing(error: unknown) {
  const t = toy({}, [publicGet('/fail', () => Promise.reject(error))]);
  const answer = await t.ask({ path: '/fail' });
  return { answer, text: await textOf(answer), faults: t.faults };
}

describe('failures', () => {
  it.each([
    [new StorageError('full', 'disk /dev/sda'), 507],
    [new StorageError('unavailable', 'bucket'), 503],
    [new StorageError('conflict', 'bucket'), 503],
    [new StorageError('unknown', 'bucket'), 503],
    [new StorageError('denied', 'bucket'), 500],
    [new StorageError('corrupt', 'bucket'), 500],
    [new UnknownChange('v9'), 503],
    [new ObjectTooLarge('bucket'), 413],
    [new TypeError('bucket'), 500],
    [new RegistryError('internal', 'bucket'), 500],
    ['bucket', 500],
    [undefined, 500],
  ])('%s is %i, and its message stays inside', async (error, status) => {
    const { answer, text, faults } = await failing(error);
    expect(answer.status).toBe(status);
    expect(text).not.toMatch(/bucket|sda|v9/);
    expect(answer.headers['Content-Type']).toBe('application/vnd.toy+json');
    expect(answer.headers['Cache-Control']).toBe('no-store');
    if (status === 503) expect(answer.headers['Retry-After']).toBe('1');
    expect(faults).toHaveLength(status === 413 ? 0 : 1);
  });

  it('H9: the client is told an incident, the operator the same one and the cause', async () => {
    const cause = new Error('/srv/secret/path');
    const { text, faults } = await failing(cause);
    const [fault] = faults;
    expect(fault?.error).toBe(cause);
    expect(fault?.where).toMatchObject({ repository: 'toys', protocol: 'toy', route: 'extra' });
    expect(JSON.parse(text).toy.message).toBe(`internal error (incident ${fault?.where.incident})`);
  });

  it('what the registry says itself is passed on: kind, code, message, headers, reason phrase', async () => {
    const error = new RegistryError('conflict', 'taken\r\nX: y', { code: 'TAKEN', headers: { 'Toy-Hint': 'rename' } });
    const { answer, text, faults } = await failing(error);
    expect([answer.status, answer.statusText, answer.headers['Toy-Hint']]).toEqual([409, 'taken  X: y', 'rename']);
    expect(JSON.parse(text).toy).toMatchObject({ status: 409, code: 'TAKEN' });
    expect(faults).toEqual([]);
    expect((await failing(unavailable('soon'))).faults).toEqual([]);
  });

  it('a protocol may depart from the usual status', async () => {
    const t = toy({}, [publicGet('/fail', () => Promise.reject(new RegistryError('conflict', 'x')))], {
      ...toyErrors,
      status: ({ kind }) => (kind === 'conflict' ? 403 : undefined),
    });
    expect((await t.ask({ path: '/fail' })).status).toBe(403);
  });

  it('HEAD hears of failures without their body', async () => {
    const t = toy({}, [publicGet('/fail', () => Promise.reject(new RegistryError('conflict', 'x')))]);
    const answer = await t.ask({ method: 'HEAD', path: '/fail' });
    expect([answer.status, answer.body, Number(answer.headers['Content-Length']) > 0]).toEqual([409, undefined, true]);
  });

  it('H9: a voice that fails, and a log that fails, still leave an answer', async () => {
    const broken = () => {
      throw new Error('no voice');
    };
    const t = toy({ onFault: broken }, [publicGet('/fail', () => Promise.reject(new Error('x')))]);
    expect((await t.ask({ path: '/fail' })).status).toBe(500);
    const mute = toy({}, [publicGet('/fail', () => Promise.reject(new Error('x')))], { ...toyErrors, body: broken });
    const answer = await mute.ask({ path: '/fail' });
    expect([answer.status, mute.faults.length]).toEqual([500, 2]);
  });
});

describe('time', () => {
  function hanging(work: () => Promise<never>) {
    const clock = new ManualClock();
    const t = toy({ runtime: manualRuntime(clock), limits: { ...DEFAULT_LIMITS, requestTimeoutMs: 5_000 } }, [
      publicGet('/hang', work),
    ]);
    return { clock, t };
  }

  it('a handler that hangs is cut, and the operator hears of it', async () => {
    const { clock, t } = hanging(() => new Promise(() => undefined));
    const answer = t.ask({ path: '/hang' });
    await settle();
    clock.advance(5_001);
    expect((await answer).status).toBe(503);
    expect([t.faults.length, clock.pending]).toEqual([1, 0]);
  });

  it('no timer is left behind an answer', async () => {
    const { clock, t } = hanging(() => new Promise(() => undefined));
    await t.ask({ path: '/-/ping' });
    await t.ask({ path: '/nowhere/at/all' });
    expect(clock.pending).toBe(0);
  });

  it('what a handler opens after it was given up is closed', async () => {
    const content = new WatchedContent(new Uint8Array(10));
    let finish: () => void = () => undefined;
    const late = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const client = new AbortController();
    const t = toy({}, [publicGet('/late', () => late.then(() => file(content, 'immutable')))]);
    const answer = t.ask({ path: '/late', signal: client.signal });
    await settle();
    client.abort();
    expect((await answer).status).toBe(499);
    finish();
    await settle();
    expect([content.opened, content.cancelled]).toEqual([1, 1]);
  });

  it('a client that goes before anybody reads closes what was opened', async () => {
    const content = new WatchedContent(new Uint8Array(10));
    const client = new AbortController();
    const t = toy({}, [publicGet('/file', async () => file(content, 'immutable'))]);
    expect((await t.ask({ path: '/file', signal: client.signal })).status).toBe(200);
    client.abort();
    await settle();
    expect(content.cancelled).toBe(1);
  });

  it('a client that has gone already is not worked for to the end', async () => {
    const answer = await toy({}, [publicGet('/x', async () => empty(200))]).ask({ path: '/x', signal: AbortSignal.abort() });
    expect(answer.status).toBe(499);
  });
});

describe('what the log line says', () => {
  it('names repository, route and user', async () => {
    const t = toy();
    const answer = await t.ask({ path: '/-/whoami', headers: { authorization: 'Bearer alice' } });
    expect(answer.about).toEqual({ repository: 'toys', route: 'whoami', user: 'alice' });
    expect((await t.ask({ path: '/a/b/c/d' })).about).toEqual({ repository: 'toys', route: undefined, user: undefined });
  });
});
