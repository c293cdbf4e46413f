import { type ClientRequest, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, canSeeMemory, type Process } from './cluster.js';
import { UPLOAD_BYTES, uploadBody } from './stored-uploads.js';
import { agent, answerTo, growth, heavy, MIB, PLACES, Site } from './streams.js';

const AT_ONCE = Number(process.env['PROOF_STREAMS'] ?? 64);
const ALLOWED_GROWTH = 256;
/** A slow reader takes a mebibyte and looks away, as long as there are uploads. */
const PAUSE_MS = 1_000;
/** So many of them read to the end; others have shown by then what they hold. */
const TO_THE_END = 4;
const PATIENCE = 1_200_000;

const site = new Site();
afterEach(() => site.stop());

const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };

function drained(sent: ClientRequest, then: () => void): void {
  const done = (): void => {
    sent.off('drain', done).off('close', done);
    then();
  };
  sent.once('drain', done).once('close', done);
}

/** Resolves with the status, and with the text where it is no success. */
async function publish({ url }: Process, name: string, onSent: (bytes: number) => void = () => undefined): Promise<string> {
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
    onSent(piece.byteLength);
  }
  sent.end();
  const answer = await answered;
  const body = await text(answer);
  return `${answer.statusCode}${answer.statusCode === 201 ? '' : ` ${body}`}`;
}

interface Pace {
  readonly slow: () => boolean;
  /** Whether a slow reader goes on when it may be quick. */
  readonly stays: boolean;
}

/** Resolves with the number of bytes that were read. */
async function download({ url }: Process, name: string, { slow, stays }: Pace): Promise<number> {
  const answer = await answerTo(request(`${url}/npm/${name}/-/${name}-1.0.0.tgz`, { agent, headers }).end());
  expect(answer.statusCode).toBe(200);
  let [bytes, next] = [0, MIB];
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes < next) continue;
    next = bytes + MIB;
    if (slow()) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    else if (!stays) break;
  }
  return bytes;
}

async function expectSmall(server: Process): Promise<void> {
  expect(await publish(server, 'first')).toBe('201');
  const numbers = Array.from({ length: AT_ONCE }, (_, n) => n);
  let uploading = true;
  const sent = numbers.map(() => 0);
  let leastSent = 0;
  const uploads = async (): Promise<readonly string[]> => {
    const add = (n: number) => (bytes: number) => {
      sent[n] = (sent[n] ?? 0) + bytes;
    };
    const each = numbers.map((n) => publish(server, `p${n}`, add(n)));
    await Promise.race(each);
    leastSent = Math.min(...sent);
    return Promise.all(each);
  };
  const grown = await growth(server, `${AT_ONCE} up, ${AT_ONCE} down`, async () => {
    const slow = (): boolean => uploading;
    const downloads = Promise.all(numbers.map((n) => download(server, 'first', { slow, stays: n < TO_THE_END })));
    downloads.catch(() => undefined);
    const answers = await uploads().finally(() => {
      uploading = false;
    });
    expect(new Set(answers)).toEqual(new Set(['201']));
    const sizes = await downloads;
    expect(Math.min(...sizes)).toBeGreaterThan(MIB);
    expect(Math.min(...sizes.slice(0, TO_THE_END))).toBeGreaterThan(UPLOAD_BYTES);
  });
  // When the first one was done, none had been left behind: all get their turns.
  expect(leastSent).toBeGreaterThan(UPLOAD_BYTES / 4);
  const whole = { slow: () => false, stays: true };
  expect(await download(server, `p${AT_ONCE - 1}`, whole)).toBeGreaterThan(UPLOAD_BYTES);
  expect(grown).toBeLessThan(ALLOWED_GROWTH);
  expect(server.err()).toBe('');
}

describe.skipIf(!heavy || !canSeeMemory)('S12, R17: slow downloads and uploads of 100 MB at once in 256 MiB', () => {
  it.each(PLACES)(`%s, ${AT_ONCE} of each`, { timeout: PATIENCE }, async (where) => {
    await expectSmall(await site.start(where));
  });
});
