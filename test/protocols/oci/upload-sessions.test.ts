import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemRuntime } from '../../../ts/lib/clock.js';
import { UploadSessions } from '../../../ts/packages/upload-session.js';
import { checked } from '../../../ts/storage/checked-driver.js';
import type { Piece, ProgressOptions, StorageDriver } from '../../../ts/storage/driver.js';
import { DriverObjectStore } from '../../../ts/storage/driver-object-store.js';
import { MemoryDriver } from '../../../ts/storage/drivers/memory.js';
import { type FaultKind, FaultyDriver } from '../../../ts/testing/faulty-driver.js';
import { Gate } from '../../../ts/testing/gate.js';
import { ManualClock, settle } from '../../http/manual-clock.js';
import { lacksVersitygw } from '../../servers/binaries.js';
import { driverFor } from '../../servers/s3-driver.js';
import { type RunningS3, startVersitygw } from '../../servers/versitygw.js';
import { type Asked, digestOf, type Oci, registry } from './rig.js';

const NAME = 'team/app';
const EXPOSED = { expose: ['copy', 'compose'] } as const;

const open = async (oci: Oci, asked: Asked = {}): Promise<string> => {
  const opened = await oci.request('POST', `/v2/${NAME}/blobs/uploads/`, { ...asked, body: new Uint8Array(0) });
  expect(opened.status).toBe(202);
  return opened.headers['location'] ?? '';
};

/** Sends pieces in order, each to the next of the instances. */
async function send(instances: readonly Oci[], location: string, pieces: readonly Uint8Array[], asked: Asked = {}) {
  let at = 0;
  for (const [n, body] of pieces.entries()) {
    const headers = { 'content-range': `${at}-${at + body.byteLength - 1}` };
    const sent = await instances[n % instances.length]?.request('PATCH', location, { ...asked, body, headers });
    at += body.byteLength;
    expect([sent?.status, sent?.headers['range']]).toEqual([202, `0-${at - 1}`]);
  }
}

const finish = (oci: Oci, location: string, digest: string, asked: Asked = {}) =>
  oci.request('PUT', `${location}?digest=${digest}`, { ...asked, body: new Uint8Array(0) });
const got = (oci: Oci, digest: string, asked: Asked = {}) => oci.get(`/v2/${NAME}/blobs/${digest}`, asked);

/** An upload with these pieces in it, and another instance on the same storage whose `at`th call from now on goes wrong. What opening took does not count. */
async function troubled(pieces: readonly Uint8Array[], at: number, kind: FaultKind) {
  const store = new MemoryDriver();
  const before = await registry({ driver: store });
  const asked = { token: before.token };
  const location = await open(before);
  await send([before], location, pieces);
  const driver = new FaultyDriver(store, { at: at + 1_000, kind }, EXPOSED);
  const oci = await registry({ driver });
  while (driver.calls.length < 1_000) await driver.stat('x');
  return { store, before, asked, location, driver, oci };
}

const PIECES = ['one, ', 'two, ', 'three'].map((text) => Buffer.from(text));
const WHOLE = Buffer.concat(PIECES);
const DIGEST = digestOf(WHOLE);

describe('several pieces', () => {
  it('oci 9: are joined by the store: none of their bytes is read again', async () => {
    const driver = new FaultyDriver(new MemoryDriver(), [], EXPOSED);
    const oci = await registry({ driver });
    const location = await open(oci);
    await send([oci], location, PIECES);
    const before = driver.calls.length;
    expect((await finish(oci, location, DIGEST)).status).toBe(201);
    const calls = driver.calls.slice(before).filter(({ key }) => key.includes('objects/'));
    expect(calls.map(({ method }) => method)).toEqual(['compose', 'delete']);
    expect((await got(oci, DIGEST)).bytes.equals(WHOLE)).toBe(true);
    expect((await oci.driver.list('objects/')).objects).toHaveLength(1);
    await oci.close();
  });

  it('oci 43: more than a checkpoint covers, sent to two instances in turns, are one blob', async () => {
    const first = await registry();
    const second = await registry({ driver: first.driver });
    const asked = { token: first.token };
    const pieces = Array.from({ length: 150 }, (_, n) => Buffer.from(`piece ${n}; `));
    const location = await open(first, asked);
    await send([first, second], location, pieces, asked);
    const digest = digestOf(Buffer.concat(pieces), 'sha512');
    expect((await finish(second, location, digest, asked)).status).toBe(201);
    expect((await got(first, digest, asked)).bytes.equals(Buffer.concat(pieces))).toBe(true);
    expect((await first.driver.list('upload/')).objects).toEqual([]);
    for (const one of [first, second]) {
      expect(one.faults).toEqual([]);
      await one.close();
    }
  });

  it('oci 12: joined bytes of another digest are refused, and nothing of them stays', async () => {
    const oci = await registry();
    const location = await open(oci);
    await send([oci], location, PIECES);
    const wrong = await finish(oci, location, digestOf('something else'));
    expect([wrong.status, wrong.code]).toEqual([400, 'DIGEST_INVALID']);
    expect((await oci.driver.list('objects/')).objects).toEqual([]);
    expect((await finish(oci, location, DIGEST)).status).toBe(404);
    await oci.close();
  });

  it.each(['before', 'after'] as const)(
    'oci 12: another digest is called that, whatever storage call fails meanwhile (%s), and however often it is said again',
    async (kind) => {
      let ended = false;
      for (let at = 1; !ended; at++) {
        const { before, asked, location, driver, oci } = await troubled(PIECES, at, kind);
        let told = await finish(oci, location, digestOf('something else'), asked);
        for (let tries = 1; told.status === 503 && tries < 5; tries++)
          told = await finish(oci, location, digestOf('something else'), asked);
        ended = !driver.fired;
        expect([at, told.status, told.code]).toEqual([at, 400, 'DIGEST_INVALID']);
        for (const one of [before, oci]) await one.close();
        expect(at).toBeLessThan(200);
      }
    },
  );

  it('oci 43: are at most as many as a store joins', async () => {
    const driver = checked(new MemoryDriver());
    const sessions = new UploadSessions({ repository: 'r', driver, runtime: systemRuntime, maxPieces: 2, onFault: () => {} });
    const objects = new DriverObjectStore(driver, systemRuntime);
    const session = await sessions.start('app', 'ann', []);
    const append = (text: string) =>
      session.append(
        (async function* () {
          yield Buffer.from(text);
        })(),
        {
          store: (body, hasher, signal) => objects.put('r', 'app', body, { max: 100, hasher, signal }),
          discard: ({ key }) => objects.delete([key]),
        },
      );
    await append('a');
    await append('b');
    await expect(append('c')).rejects.toMatchObject({ kind: 'too_large' });
    expect(session.state).toMatchObject({ offset: 2 });
  });
});

describe('a process that dies', () => {
  it.each([
    ['in a PUT of one piece', [WHOLE]],
    ['in a PUT of three pieces', PIECES],
  ])(
    'oci 43, INV1: %s, at any storage call: nothing half is seen, said again it succeeds, a cancel takes nothing away',
    { timeout: 120_000 },
    async (_, pieces) => {
      let ended = false;
      for (let at = 1; !ended; at++) {
        const { store, before, asked, location, driver, oci: dying } = await troubled(pieces, at, 'death');
        await finish(dying, location, DIGEST, asked).catch(() => undefined);
        ended = !driver.fired;
        const after = await registry({ driver: store });
        const found = await got(after, DIGEST, asked);
        if (found.status === 200) expect(found.bytes.equals(WHOLE)).toBe(true);
        else expect(found.status).toBe(404);
        if (at % 2 === 0) {
          const again = await finish(after, location, DIGEST, asked);
          if (again.status === 404) expect(found.status).toBe(200);
          else expect(again.status).toBe(201);
          expect((await got(after, DIGEST, asked)).bytes.equals(WHOLE)).toBe(true);
        }
        await after.remove(location, asked);
        const last = await got(after, DIGEST, asked);
        if (found.status === 200 || at % 2 === 0) expect(last.bytes.equals(WHOLE)).toBe(true);
        expect(after.faults).toEqual([]);
        for (const one of [before, after]) await one.close();
        expect(at).toBeLessThan(200);
      }
    },
  );
});

describe('a session that is gone', () => {
  let oci: Oci;
  let location: string;
  beforeEach(async () => {
    oci = await registry();
    location = await open(oci);
    await send([oci], location, PIECES);
  });
  afterEach(() => oci.close());

  it('oci 14: swept entry 0 first: from then on it is unknown, whoever knew it', async () => {
    const { objects } = await oci.driver.list('upload/');
    await oci.driver.delete([objects[0]?.key ?? '']);
    const other = await registry({ driver: oci.driver });
    for (const one of [oci, other]) {
      const asked = { token: oci.token };
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const answer = await one.request(method, location, { ...asked, ...(method === 'PATCH' ? { body: 'more' } : {}) });
        expect([answer.status, answer.code]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
      }
      expect((await finish(one, location, DIGEST, asked)).code).toBe('BLOB_UPLOAD_UNKNOWN');
    }
    expect((await got(oci, DIGEST)).status).toBe(404);
    await other.close();
  });

  it('oci 14, O7: a cancel beside a PUT: either the blob is here and whole, or both are refused it', async () => {
    const other = await registry({ driver: oci.driver });
    const asked = { token: oci.token };
    for (let round = 0; round < 10; round++) {
      const upload = await open(oci);
      await send([oci], upload, [Buffer.from(`round ${round}`)]);
      const digest = digestOf(`round ${round}`);
      const [put, cancel] = await Promise.all([finish(oci, upload, digest), other.remove(upload, asked)]);
      expect([put.status, cancel.status].sort()).not.toEqual([201, 204]);
      for (const { status } of [put, cancel]) expect([201, 204, 404]).toContain(status);
      expect((await got(oci, digest)).status).toBe(put.status === 201 ? 200 : 404);
    }
    await other.close();
  });
});

describe('work that takes its time', () => {
  const minutes = async (clock: ManualClock, count: number): Promise<void> => {
    for (let minute = 0; minute < count; minute++) {
      await settle();
      clock.advance(50_000);
    }
  };

  it('S12: a PATCH that waits for its turn is not taken for one whose sender is silent', async () => {
    const clock = new ManualClock();
    const gate = new Gate();
    const driver = new FaultyDriver(new MemoryDriver());
    const write = driver.write.bind(driver);
    driver.write = async (key, body, options) => {
      if (key.startsWith('objects/')) await gate.passage();
      return write(key, body, options);
    };
    const oci = await registry({ driver, runtime: { clock, random: systemRuntime.random } });
    const location = await open(oci);
    gate.shut();
    const sent = oci.request('PATCH', location, { body: new Blob([WHOLE]).stream() });
    await minutes(clock, 1);
    gate.open();
    expect((await sent).status).toBe(202);
    expect((await finish(oci, location, DIGEST)).status).toBe(201);
    await oci.close();
  });

  it('S12: who waits in a queue that moves waits as long as it takes, and is given up where nothing moves', async () => {
    const clock = new ManualClock();
    const inner = new MemoryDriver();
    const driver = new FaultyDriver(inner);
    let moves = true;
    driver.write = async (key, body, options = {}) => {
      for (let others = 0; key.startsWith('objects/') && others < 4; others++) {
        await minutes(clock, 1);
        if (moves) options.onProgress?.();
      }
      return inner.write(key, body, options);
    };
    const oci = await registry({ driver, runtime: { clock, random: systemRuntime.random } });
    const location = await open(oci);
    expect((await oci.request('PATCH', location, { body: new Blob([WHOLE]).stream() })).status).toBe(202);
    expect((await finish(oci, location, DIGEST)).status).toBe(201);
    moves = false;
    const stuck = await open(oci);
    expect((await oci.request('PATCH', stuck, { body: new Blob([WHOLE]).stream() })).status).toBe(503);
    await oci.close();
  });

  it('oci 43: a PUT goes on as long as its pieces are read or joined', async () => {
    const clock = new ManualClock();
    const inner = new MemoryDriver();
    const slow = {
      compose: async (pieces: readonly Piece[], to: string, options: ProgressOptions = {}) => {
        for (let part = 0; part < 30; part++) {
          await minutes(clock, 1);
          options.onProgress?.();
        }
        return inner.compose(pieces, to);
      },
    };
    const driver: StorageDriver = Object.assign(new FaultyDriver(inner), slow);
    const oci = await registry({ driver, runtime: { clock, random: systemRuntime.random } });
    const location = await open(oci);
    await send([oci], location, PIECES);
    expect((await finish(oci, location, DIGEST)).status).toBe(201);
    expect((await got(oci, DIGEST)).bytes.equals(WHOLE)).toBe(true);
    await oci.close();
  });
});

describe.skipIf(lacksVersitygw('1.8.0'))('on a bucket', () => {
  let server: RunningS3;
  beforeAll(async () => {
    server = await startVersitygw({ version: '1.8.0' });
  });
  afterAll(() => server?.stop());

  it('oci 9, oci 17, oci 43: pieces small and large, sent to two instances in turns, are one blob', {
    timeout: 120_000,
  }, async () => {
    const drivers = [1, 2].map(() => checked<StorageDriver>(driverFor(server, { prefix: 'sessions' })));
    const [first, second] = [
      await registry({ driver: drivers[0] as StorageDriver }),
      await registry({ driver: drivers[1] as StorageDriver }),
    ];
    const asked = { token: first.token };
    const MIB = 1024 ** 2;
    const pieces = [6 * MIB, 3, 7 * MIB, MIB, MIB, 9 * MIB].map((size, n) => Buffer.alloc(size, `piece ${n}, `));
    const whole = Buffer.concat(pieces);
    for (const algorithm of process.env['REQUIRE_CLIENTS'] ? (['sha256', 'sha512'] as const) : (['sha512'] as const)) {
      const location = await open(first, asked);
      await send([first, second], location, pieces, asked);
      const digest = digestOf(whole, algorithm);
      const answers = await Promise.all([first, second].map((one) => finish(one, location, digest, asked)));
      const statuses = answers.map(({ status }) => status);
      expect(statuses).toContain(201);
      for (const status of statuses) expect([201, 404]).toContain(status);
      for (const one of [first, second]) expect((await got(one, digest, asked)).bytes.equals(whole)).toBe(true);
    }
    expect((await first.driver.list('upload/')).objects).toEqual([]);
    expect([...first.faults, ...second.faults]).toEqual([]);
    for (const one of [first, second]) await one.close();
    for (const driver of drivers) await driver.close?.();
  });
});
