import { describe, expect, it } from 'vitest';
import { askedOf } from '../../ts/upstream/asked-of.js';
import type { IUpstreamResilience } from '../../ts/upstream/provider.js';
import { hurriedRuntime } from '../servers/fake-runtime.js';
import { answer, CANARY, failureOf, type Heard, mockUpstream, textOf, told, wanted } from './upstream-rig.js';

/** Fails with the first statuses, one for each request, and answers then. */
async function failing(...statuses: number[]) {
  return mockUpstream(() => {
    const status = statuses.shift();
    return status === undefined ? answer('here') : answer(CANARY, {}, `${status} No`);
  });
}

async function asked(own: { readonly url: string }, resilience?: IUpstreamResilience) {
  const runtime = hurriedRuntime();
  const auth = { type: 'basic', username: 'jo', password: CANARY } as const;
  return {
    runtime,
    ...(({ ask, close }) => ({ ask, close }))(askedOf({ id: 'mock', url: own.url, auth }, resilience, { runtime })),
  };
}

const targets = (heard: readonly Heard[]) => heard.map(({ path }) => path);

describe('an upstream as it is asked', () => {
  it('X12: is asked twice more when it fails for a moment', async () => {
    const own = await failing(503, 429);
    const { ask, runtime } = await asked(own);
    expect(await textOf(ask(wanted('x')))).toBe('here');
    expect(targets(own.heard)).toEqual(['/x', '/x', '/x']);
    expect(runtime.pauses).toEqual([200, 800]);
  });

  it('is asked once when it says no, and as often as is said elsewhere', async () => {
    const own = await failing(403, 404, 500);
    const { ask } = await asked(own, { retries: 0 });
    expect((await failureOf(ask(wanted('a')))).message).toBe('the upstream does not let the registry in');
    expect(await ask(wanted('b'))).toEqual({ kind: 'absent' });
    expect((await failureOf(ask(wanted('c')))).message).toBe('the upstream answered 500');
    expect(targets(own.heard)).toEqual(['/a', '/b', '/c']);
  });

  it('is left alone after five failures in a row, those of retries counted', async () => {
    const own = await failing(...Array.from({ length: 20 }, () => 500));
    const { ask, runtime } = await asked(own, { retries: undefined, timeoutMs: undefined } as unknown as IUpstreamResilience);
    expect((await failureOf(ask(wanted('a')))).message).toBe('the upstream answered 500');
    const alone = /has failed several times in a row and is left alone/;
    expect((await failureOf(ask(wanted('b')))).message).toMatch(alone);
    expect((await failureOf(ask(wanted('c')))).message).toMatch(alone);
    expect(targets(own.heard)).toEqual(['/a', '/a', '/a', '/b', '/b']);
    expect(runtime.pauses).toEqual([200, 800, 200, 800]);
  });

  it('is left alone by one request, when one failure is enough', async () => {
    const own = await failing(500, 500);
    const { ask } = await asked(own, { breakerFailures: 1, breakerPauseMs: 60_000 });
    const failure = await failureOf(ask(wanted('a')));
    expect(failure.passing).toBe(true);
    expect(targets(own.heard)).toEqual(['/a']);
  });

  it('is not asked any more when it is closed', async () => {
    const own = await mockUpstream(() => undefined);
    const { ask, close } = await asked(own);
    const failingAsk = failureOf(ask(wanted('a')));
    await own.untilOpen(1);
    close();
    expect((await failingAsk).message).toBe('the upstream is not asked any more');
    await own.untilOpen(0);
  });

  it('L1: tells its credentials in no failure', async () => {
    const own = await failing(500, 401, 302, 304, 204, 503, 503, 503);
    const { ask } = await asked(own, { retries: 1 });
    const coded = Buffer.from(`jo:${CANARY}`).toString('base64');
    const failures = [];
    for (let turn = 0; turn < 5; turn++) failures.push(await ask(wanted('x')).then(({ kind }) => kind, told));
    await own.stop();
    failures.push(told(await failureOf(ask(wanted('x')))));
    expect(failures.length).toBe(6);
    for (const text of failures) {
      expect(text).toMatch(/the upstream/);
      expect(text).not.toContain(CANARY);
      expect(text).not.toContain(coded);
    }
    expect(own.heard.every(({ headers }) => headers['authorization'] === `Basic ${coded}`)).toBe(true);
  });
});
