import { randomFillSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { worked } from './processes.js';
import { lacks, onPath } from './programs.js';
import { Sandbox } from './sandbox.js';
import { memoryOf, resetPeak } from './server.js';
import { ONE_PROCESS, type Site } from './setups.js';
import { type Measured, measure, StoredTarball } from './stored-tarball.js';

const MiB = 1024 * 1024;
const ALLOWED_GROWTH = 100 * MiB;
/** MiB. */
const quick = process.env['REQUIRE_CLIENTS'] !== '1';
const BY_NPM = 60;
const BY_HAND = quick ? 120 : 500;
if (quick) console.log(`shortened: a plain client streams ${BY_HAND} MB, npm nothing; REQUIRE_CLIENTS=1 streams 500 and 60`);

let site: Site;
beforeEach(async () => {
  site = await ONE_PROCESS.start();
  // What the first requests load and compile is not what a large one costs.
  const small = new StoredTarball('small', '1.0.0', 1);
  const { status } = await put(small.name, small.publishBody(await measure(small.bytes())));
  expect(status).toBe(201);
});
afterEach(() => site?.stop());

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Sends a body as it is made. */
function put(name: string, body: AsyncIterable<string>, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const authorization = `Bearer ${site.adminToken}`;
    const all = { authorization, 'content-type': 'application/json', ...headers };
    const sent = request(`${site.registry}${name}`, { method: 'PUT', headers: all }, (answer) => {
      text(answer).then((told) => resolve({ status: answer.statusCode ?? 0, body: told }), reject);
    });
    sent.on('error', reject);
    // An answer that comes before the body has been sent is one too.
    pipeline(Readable.from(body), sent).catch(reject);
  });
}

async function download(name: string, file: string): Promise<Measured> {
  const answer = await fetch(`${site.registry}${name}/-/${file}`, { headers: { authorization: `Bearer ${site.adminToken}` } });
  if (answer.status !== 200 || !answer.body) throw new Error(`download: ${answer.status}`);
  return measure(answer.body);
}

/** By how much the server's memory rose above what it was, at its worst, while something ran. */
async function growthDuring(act: () => Promise<unknown>): Promise<number> {
  const pid = site.servers[0]?.pid ?? 0;
  const before = memoryOf(pid).now;
  resetPeak(pid);
  await act();
  return memoryOf(pid).peak - before;
}

describe('npm 29: large tarballs', { timeout: 120_000 }, () => {
  it.skipIf(quick || lacks('npm', onPath('npm')))(`npm publishes ${BY_NPM} MB, and the server stays small`, async () => {
    const machine = new Sandbox(site.registry, site.adminToken);
    try {
      const folder = machine.package({ name: 'large', version: '1.0.0' });
      writeFileSync(join(folder, 'noise.bin'), randomFillSync(Buffer.alloc(BY_NPM * MiB)));
      expect(await growthDuring(async () => worked(await machine.npm(['publish'], folder)))).toBeLessThan(ALLOWED_GROWTH);
      const { size, integrity } = await download('large', 'large-1.0.0.tgz');
      expect(size).toBeGreaterThan(BY_NPM * MiB);
      expect(await machine.json(['view', 'large', 'dist.integrity'])).toBe(integrity);
    } finally {
      machine.remove();
    }
  });

  it(`a plain client streams ${BY_HAND} MB, and the server stays small`, async () => {
    const huge = new StoredTarball('huge', '1.0.0', BY_HAND);
    const measured = await measure(huge.bytes());
    expect(measured.size).toBeGreaterThan(BY_HAND * MiB);
    let answer: Answer | undefined;
    const writing = await growthDuring(async () => {
      answer = await put('huge', huge.publishBody(measured));
    });
    expect([answer?.status, answer?.body]).toEqual([201, expect.stringContaining('"ok":true')]);
    expect(writing).toBeLessThan(ALLOWED_GROWTH);
    let got: Measured | undefined;
    const reading = await growthDuring(async () => {
      got = await download('huge', 'huge-1.0.0.tgz');
    });
    expect(got).toEqual(measured);
    expect(reading).toBeLessThan(ALLOWED_GROWTH);
  });

  it('a body above the limit is refused as JSON, whatever has been sent of it', async () => {
    const headers = { 'content-length': String(4 * 1024 * MiB) };
    const answer = await new Promise<Answer>((resolve, reject) => {
      const authorization = `Bearer ${site.adminToken}`;
      const sent = request(`${site.registry}over`, { method: 'PUT', headers: { authorization, ...headers } }, (got) => {
        text(got)
          .then((body) => resolve({ status: got.statusCode ?? 0, body }), reject)
          .finally(() => sent.destroy());
      });
      sent.on('error', reject);
      sent.write('{"name":"over",');
    });
    expect(answer.status).toBe(413);
    expect(JSON.parse(answer.body)).toMatchObject({ error: expect.stringMatching(/\w/) });
  });
});
