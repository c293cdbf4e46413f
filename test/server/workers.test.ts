import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { bearer, scratch, startServer } from './launch.js';
import { publish } from './publish.js';

const quick = process.env['REQUIRE_CLIENTS'] !== '1';
if (quick) console.log('skipped: requests while workers come and go; REQUIRE_CLIENTS=1 runs it');

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Asks until `test` holds for an answer; the test's own time limit ends what never does. */
async function until<T>(ask: () => Promise<T>, test: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined && test(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const childrenOf = (pid = 0): number[] =>
  execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean)
    .map(Number);

/** How many of the processes have something to say. */
async function processesOf(url: string): Promise<number> {
  const text = await (
    await fetch(`${url}/-/metrics`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) })
  ).text();
  return Number(/^entrepot_processes (\d+)$/m.exec(text)?.[1]);
}

describe('several processes on one port and one folder', () => {
  it('see at once what any of them has acknowledged', async () => {
    const { url, token } = await startServer(['--workers', '3', '--storage', `file:${scratch()}`]);
    for (let at = 0; at < 5; at++) {
      await publish(`${url}/npm`, token, 'shared', `1.0.${at}`);
      const seen = await Promise.all(
        Array.from({ length: 6 }, async () => {
          // A connection of its own each: the parent hands them out in turn.
          const response = await fetch(`${url}/npm/shared`, { headers: { ...bearer(token), connection: 'close' } });
          return Object.keys(((await response.json()) as { versions: object }).versions).length;
        }),
      );
      expect(seen).toEqual(Array(6).fill(at + 1));
    }
  });

  it.skipIf(quick)(
    'never give a request to one that is still opening: at the start, and when another takes the place of one that died',
    async () => {
      const server = await startServer(['--workers', '3', '--storage', `file:${scratch()}`]);
      const statuses = new Set<number>();
      let over = false;
      const ask = async (): Promise<void> => {
        while (!over) {
          // Who dies takes its connections along, those that it was just handed without a word.
          const answer = await fetch(`${server.url}/npm/-/ping`, {
            headers: { ...bearer(server.token), connection: 'close' },
            signal: AbortSignal.timeout(5_000),
          }).catch(() => undefined);
          if (answer) statuses.add(answer.status);
          await answer?.arrayBuffer().catch(() => undefined);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      };
      const asking = Promise.all(Array.from({ length: 4 }, ask));
      await until(
        () => processesOf(server.url),
        (count) => count === 3,
      );
      const [victim = 0] = childrenOf(server.child.pid);
      process.kill(victim, 'SIGKILL');
      await server.line(({ message }) => String(message).startsWith(`worker ${victim} ended`));
      await until(
        () => processesOf(server.url),
        (count) => count === 3,
      );
      over = true;
      await asking;
      expect([...statuses]).toEqual([200]);
    },
  );

  it('count together, are on the same port again when all of them have died at once, and drain all on one signal', async () => {
    const server = await startServer(['--workers', '2', '--storage', `file:${scratch()}`]);
    await until(
      () => processesOf(server.url),
      (count) => count === 2,
    );
    const victims = childrenOf(server.child.pid);
    for (const victim of victims) process.kill(victim, 'SIGKILL');
    for (const victim of victims)
      await server.line(({ message }) => String(message).startsWith(`worker ${victim} ended (SIGKILL); another starts in`));
    await until(
      () => processesOf(server.url),
      (count) => count === 2,
    );
    const last = childrenOf(server.child.pid);
    expect(last).toHaveLength(2);
    expect(last.filter((pid) => victims.includes(pid))).toEqual([]);
    server.child.kill('SIGTERM');
    expect(await server.exited).toBe(0);
    expect(last.filter(alive)).toEqual([]);
  });
});
