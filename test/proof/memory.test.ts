import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { startVersitygw } from '../servers/versitygw.js';
import { ADMIN_TOKEN, type Cluster, canSeeMemory, memoryOf, onBucket, type Process, startCluster } from './cluster.js';
import { UPLOAD_BYTES, uploadBody } from './stored-uploads.js';

const MIB = 1024 ** 2;
const AT_ONCE = Number(process.env['PROOF_STREAMS'] ?? 64);
/** On a bucket parts are held until they are sent: 64 of each grow the process by some 360 MiB, which is more than it should. */
const ON_BUCKET = Number(process.env['PROOF_STREAMS'] ?? 20);
const ALLOWED_GROWTH = 256 * MIB;
/** A slow reader takes a mebibyte and looks away, as long as there are uploads. */
const PAUSE_MS = 1_000;
const PATIENCE = 1_200_000;

const heavy = process.env['REQUIRE_CLIENTS'] === '1';
if (!heavy) console.log('skipped: 64 uploads and downloads of 100 MB take minutes; REQUIRE_CLIENTS=1 runs them');

let cluster: Cluster | undefined;
let stopStore: (() => Promise<void>) | undefined;
const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
afterEach(async () => {
  await cluster?.stop();
  await stopStore?.();
  [cluster, stopStore] = [undefined, undefined];
});

const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
const answerTo = async (sent: ClientRequest): Promise<IncomingMessage> =>
  ((await once(sent, 'response')) as [IncomingMessage])[0];

function drained(sent: ClientRequest, then: () => void): void {
  const done = (): void => {
    sent.off('drain', done).off('close', done);
    then();
  };
  sent.once('drain', done).once('close', done);
}

/** Resolves with the status, and with the text where it is no success. */
async function publish({ url }: Process, name: string): Promise<string> {
  const options = { method: 'PUT', agent, headers: { ...headers, 'content-type': 'application/json' } };
  const sent = request(`${url}/npm/${name}`, options);
  const answered = answerTo(sent);
  let early = false;
  answered.then(
    () => {
      early = true;
    },
    () => undefined,
  );
  // What is refused is not read to its end: the answer says why.
  sent.on('error', () => undefined);
  for (const piece of uploadBody(name, '1.0.0')) {
    if (sent.destroyed || early) break;
    if (!sent.write(piece)) await new Promise<void>((resolve) => drained(sent, resolve));
  }
  sent.end();
  const answer = await answered;
  const body = await text(answer);
  return `${answer.statusCode}${answer.statusCode === 201 ? '' : ` ${body}`}`;
}

const TRIES = 6;
let retried = 0;

/** As npm does it: what the server cannot take just now is sent again. */
async function publishInTheEnd(server: Process, name: string): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    const answer = await publish(server, name);
    if (!answer.startsWith('503') || tries === TRIES) return answer;
    retried += 1;
  }
}

/** Resolves with the number of bytes. */
async function download({ url }: Process, name: string, slow: () => boolean): Promise<number> {
  const answer = await answerTo(request(`${url}/npm/${name}/-/${name}-1.0.0.tgz`, { agent, headers }).end());
  let [bytes, next] = [0, MIB];
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes < next) continue;
    next = bytes + MIB;
    if (slow()) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  expect(answer.statusCode).toBe(200);
  return bytes;
}

async function expectSmall(server: Process, streams: number): Promise<void> {
  expect(await publish(server, 'first')).toBe('201');
  const before = memoryOf(server.pid, 'VmRSS');
  writeFileSync(`/proc/${server.pid}/clear_refs`, '5');
  const numbers = Array.from({ length: streams }, (_, n) => n);
  let uploading = true;
  retried = 0;
  const downloads = Promise.all(numbers.map(() => download(server, 'first', () => uploading)));
  downloads.catch(() => undefined);
  const answers = await Promise.all(numbers.map((n) => publishInTheEnd(server, `p${n}`))).finally(() => {
    uploading = false;
  });
  const sizes = await downloads;
  const growth = memoryOf(server.pid, 'VmHWM') - before;
  console.log(
    `${streams} up, ${streams} down: from ${Math.round(before / MIB)} MiB by ${Math.round(growth / MIB)} MiB, ${retried} sent again`,
  );
  expect(new Set(answers)).toEqual(new Set(['201']));
  expect(Math.min(...sizes)).toBeGreaterThan(UPLOAD_BYTES);
  expect(await download(server, `p${streams - 1}`, () => false)).toBeGreaterThan(UPLOAD_BYTES);
  expect(growth).toBeLessThan(ALLOWED_GROWTH);
  expect(server.err()).toBe('');
}

describe.skipIf(!heavy || !canSeeMemory)('S12, R17: slow downloads and uploads of 100 MB at once in 256 MiB', () => {
  it(`on a folder, ${AT_ONCE} of each`, { timeout: PATIENCE }, async () => {
    cluster = await startCluster({ processes: 1 });
    await expectSmall(cluster.processes[0] as Process, AT_ONCE);
  });

  it(`on a bucket, ${ON_BUCKET} of each`, { timeout: PATIENCE }, async () => {
    const s3 = await startVersitygw({ version: '1.8.0' });
    stopStore = () => s3.stop();
    cluster = await startCluster({ processes: 1, ...onBucket(s3) });
    await expectSmall(cluster.processes[0] as Process, ON_BUCKET);
  });
});
