import { createHash, type Hash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { startVersitygw } from '../servers/versitygw.js';
import { ADMIN_TOKEN, type Cluster, canSeeMemory, memoryOf, onBucket, type Process, startCluster } from './cluster.js';

const MIB = 1024 ** 2;
/** By hand: `PROOF_PUSH_MIB=10240` for a push of 10 GiB. */
const PUSH = Number(process.env['PROOF_PUSH_MIB'] ?? 1024);
const PIECE = 64;
const AT_ONCE = 64;
const PATIENCE = 1_800_000;

const heavy = process.env['REQUIRE_CLIENTS'] === '1';
if (!heavy) console.log('skipped: pushing some GiB takes minutes; REQUIRE_CLIENTS=1 runs it');

let cluster: Cluster | undefined;
let stopStore: (() => Promise<void>) | undefined;
const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
afterEach(async () => {
  await cluster?.stop();
  await stopStore?.();
  [cluster, stopStore] = [undefined, undefined];
});

interface Answer {
  readonly status: number;
  readonly location: string;
  readonly range: string;
}

const noise = randomFillSync(Buffer.alloc(MIB));
/** So many MiB, those of each `seed` its own. */
function* layer(mebibytes: number, seed: number): Generator<Buffer> {
  for (let at = 0; at < mebibytes; at += 1) {
    const block = Buffer.from(noise);
    block.writeUInt32BE(seed, 0);
    block.writeUInt32BE(at, 4);
    yield block;
  }
}

async function answerOf(sent: ClientRequest): Promise<Answer> {
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const body = await text(answer);
  if ((answer.statusCode ?? 500) >= 300) throw new Error(`${sent.method} ${sent.path}: ${answer.statusCode} ${body}`);
  const { location = '', range = '' } = answer.headers;
  return { status: answer.statusCode ?? 0, location, range };
}

async function ask({ url }: Process, method: string, path: string, body: Iterable<Buffer>, mebibytes: number, more = {}) {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-length': mebibytes * MIB, ...more };
  const sent = request(`${url}${path}`, { method, agent, headers });
  const answered = answerOf(sent);
  answered.catch(() => undefined);
  for (const block of body) if (!sent.write(block)) await Promise.race([once(sent, 'drain'), answered]);
  sent.end();
  return answered;
}

const IMAGE = '/v2/team/app';

/** Pushes a layer in pieces, as `regctl` does, or in one, as others do; answers its digest. */
async function push(server: Process, mebibytes: number, seed: number, piece = mebibytes): Promise<string> {
  let { location } = await ask(server, 'POST', `${IMAGE}/blobs/uploads/`, [], 0);
  const hash: Hash = createHash('sha256');
  const blocks = layer(mebibytes, seed);
  function* next(count: number): Generator<Buffer> {
    for (let n = 0; n < count; n += 1) {
      const { value } = blocks.next();
      hash.update(value as Buffer);
      yield value as Buffer;
    }
  }
  for (let at = 0; at < mebibytes; at += piece) {
    const count = Math.min(piece, mebibytes - at);
    const range = piece < mebibytes ? { 'content-range': `${at * MIB}-${(at + count) * MIB - 1}` } : {};
    const answer = await ask(server, 'PATCH', location, next(count), count, range);
    expect([answer.status, answer.range]).toEqual([202, `0-${(at + count) * MIB - 1}`]);
    location = answer.location;
  }
  const digest = `sha256:${hash.digest('hex')}`;
  expect((await ask(server, 'PUT', `${location}?digest=${digest}`, [], 0)).status).toBe(201);
  return digest;
}

/** Reads a layer, a MiB in each half second as long as `slow` lasts, and checks it. */
async function pull({ url }: Process, digest: string, slow = 0): Promise<void> {
  const sent = request(`${url}${IMAGE}/blobs/${digest}`, { agent, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  expect(answer.statusCode).toBe(200);
  const hash = createHash('sha256');
  let [bytes, next] = [0, MIB];
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.byteLength;
    if (bytes < next || bytes > slow * MIB) continue;
    next = bytes + MIB;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  expect(`sha256:${hash.digest('hex')}`).toBe(digest);
}

/** By how much the server's memory rose above what it was, at its worst. What first requests load and compile is not counted. */
async function growth(server: Process, what: string, act: () => Promise<unknown>): Promise<number> {
  const before = memoryOf(server.pid, 'VmRSS');
  writeFileSync(`/proc/${server.pid}/clear_refs`, '5');
  const began = performance.now();
  await act();
  const grown = (memoryOf(server.pid, 'VmHWM') - before) / MIB;
  const seconds = (performance.now() - began) / 1000;
  console.log(`${what}: from ${Math.round(before / MIB)} MiB by ${Math.round(grown)} MiB, ${seconds.toFixed(1)} s`);
  return grown;
}

async function warmed(): Promise<Process> {
  const [server] = (cluster as Cluster).processes as [Process];
  for (const piece of [4, 16]) await pull(server, await push(server, 16, 1_000 + piece, piece));
  return server;
}

const SETUPS: Readonly<Record<string, () => Promise<Cluster>>> = {
  'on a folder': () => startCluster({ processes: 1 }),
  'on a bucket': async () => {
    const s3 = await startVersitygw({ version: '1.8.0' });
    stopStore = () => s3.stop();
    return startCluster({ processes: 1, ...onBucket(s3) });
  },
};

describe.skipIf(!heavy || !canSeeMemory).each(Object.entries(SETUPS))('oci 43, S8: memory, %s', (_, start) => {
  it(`one push of ${PUSH} MiB, in one PATCH and in pieces, in 64 MiB`, { timeout: PATIENCE }, async () => {
    cluster = await start();
    const server = await warmed();
    let digest = '';
    for (const piece of [PUSH, PIECE]) {
      const grown = await growth(server, `${PUSH} MiB in pieces of ${piece}`, async () => {
        digest = await push(server, PUSH, piece, piece);
      });
      expect(grown).toBeLessThan(64);
    }
    await pull(server, digest);
    expect(server.err()).toBe('');
  });

  it(`${AT_ONCE} pushes at once in 256 MiB`, { timeout: PATIENCE }, async () => {
    cluster = await start();
    const server = await warmed();
    const seeds = Array.from({ length: AT_ONCE }, (_, n) => n);
    let digests: readonly string[] = [];
    const grown = await growth(server, `${AT_ONCE} pushes of 40 MiB`, async () => {
      digests = await Promise.all(seeds.map((seed) => push(server, 40, seed)));
    });
    expect(grown).toBeLessThan(256);
    await pull(server, digests.at(-1) ?? '');
    expect(server.err()).toBe('');
  });

  it(`${AT_ONCE} slow pulls of one layer in 128 MiB`, { timeout: PATIENCE }, async () => {
    cluster = await start();
    const server = await warmed();
    const digest = await push(server, 64, 7);
    const grown = await growth(server, `${AT_ONCE} slow pulls of 64 MiB`, () =>
      Promise.all(Array.from({ length: AT_ONCE }, () => pull(server, digest, 10))),
    );
    expect(grown).toBeLessThan(128);
    expect(server.err()).toBe('');
  });
});
