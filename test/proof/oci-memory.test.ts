import { createHash, type Hash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { type ClientRequest, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, canSeeMemory, type Process } from './cluster.js';
import { agent, answerTo, growth, heavy, MIB, PLACES, Site } from './streams.js';

/** By hand: `PROOF_PUSH_MIB=10240` for a push of 10 GiB. */
const PUSH = Number(process.env['PROOF_PUSH_MIB'] ?? 1024);
const PIECE = 64;
const AT_ONCE = 64;
/** Of slow pulls every eighth is hashed, and all are counted: this process would otherwise hash for longer than the server sends. */
const HASHED_OF = 8;
const PATIENCE = 1_800_000;

const site = new Site();
afterEach(() => site.stop());

interface Answer {
  readonly status: number;
  readonly location: string;
  readonly range: string;
}

const noise = randomFillSync(Buffer.alloc(MIB));
/** The hash of so many MiB that all layers begin with; kept, because this process would otherwise do little else. */
const begun: Hash[] = [createHash('sha256')];
function hashOfCommon(mebibytes: number): Hash {
  for (let at = begun.length; at <= mebibytes; at += 1) begun.push((begun[at - 1] as Hash).copy().update(block(at - 1)));
  return (begun[mebibytes] as Hash).copy();
}

function block(at: number, seed = 0): Buffer {
  const bytes = Buffer.from(noise);
  bytes.writeUInt32BE(seed, 0);
  bytes.writeUInt32BE(at, 4);
  return bytes;
}

/** So many MiB, those of each `seed` its own: in the last one. */
function* layer(mebibytes: number, seed: number): Generator<Buffer> {
  for (let at = 0; at < mebibytes; at += 1) yield block(at, at === mebibytes - 1 ? seed : 0);
}

const digestOf = (mebibytes: number, seed: number): string =>
  `sha256:${hashOfCommon(mebibytes - 1)
    .update(block(mebibytes - 1, seed))
    .digest('hex')}`;

async function answerOf(sent: ClientRequest): Promise<Answer> {
  const answer = await answerTo(sent);
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
  const blocks = layer(mebibytes, seed);
  function* next(count: number): Generator<Buffer> {
    for (let n = 0; n < count; n += 1) yield blocks.next().value as Buffer;
  }
  for (let at = 0; at < mebibytes; at += piece) {
    const count = Math.min(piece, mebibytes - at);
    const range = piece < mebibytes ? { 'content-range': `${at * MIB}-${(at + count) * MIB - 1}` } : {};
    const answer = await ask(server, 'PATCH', location, next(count), count, range);
    expect([answer.status, answer.range]).toEqual([202, `0-${(at + count) * MIB - 1}`]);
    location = answer.location;
  }
  const digest = digestOf(mebibytes, seed);
  expect((await ask(server, 'PUT', `${location}?digest=${digest}`, [], 0)).status).toBe(201);
  return digest;
}

/** Reads a layer, a MiB in each half second as long as `slow` lasts, and checks it; answers its length. */
async function pull({ url }: Process, digest: string, slow = 0, hashed = true): Promise<number> {
  const sent = request(`${url}${IMAGE}/blobs/${digest}`, { agent, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } }).end();
  const answer = await answerTo(sent);
  expect(answer.statusCode).toBe(200);
  const hash = createHash('sha256');
  let [bytes, next] = [0, MIB];
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    if (hashed) hash.update(chunk);
    bytes += chunk.byteLength;
    if (bytes < next || bytes > slow * MIB) continue;
    next = bytes + MIB;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  if (hashed) expect(`sha256:${hash.digest('hex')}`).toBe(digest);
  return bytes;
}

async function warmed(where: (typeof PLACES)[number]): Promise<Process> {
  const server = await site.start(where);
  for (const piece of [4, 16]) await pull(server, await push(server, 16, 1_000 + piece, piece));
  return server;
}

describe.skipIf(!heavy || !canSeeMemory).each(PLACES)('oci 43, S8: memory, %s', (where) => {
  it(`one push of ${PUSH} MiB, in one PATCH and in pieces, in 64 MiB`, { timeout: PATIENCE }, async () => {
    const server = await warmed(where);
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
    const server = await warmed(where);
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
    const server = await warmed(where);
    const digest = await push(server, 64, 7);
    const grown = await growth(server, `${AT_ONCE} slow pulls of 64 MiB`, async () => {
      const pulls = Array.from({ length: AT_ONCE }, (_, n) => pull(server, digest, 10, n % HASHED_OF === 0));
      expect(new Set(await Promise.all(pulls))).toEqual(new Set([64 * MIB]));
    });
    expect(grown).toBeLessThan(128);
    expect(server.err()).toBe('');
  });
});
