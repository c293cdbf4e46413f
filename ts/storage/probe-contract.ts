import { utf8 } from '../lib/bytes.js';
import type { Runtime } from '../lib/clock.js';
import { randomId } from '../lib/ids.js';
import type { StorageDriver } from './driver.js';
import { probeScratchPrefix } from './key.js';
import type { ProbeFinding } from './probe-driver.js';
import { StorageError } from './storage-error.js';

const RACERS = 32;
const ROUNDS = 32;
const VISIBILITY_ROUNDS = 20;

/** What can be seen of any driver through the contract alone: for drivers that bring no probe of their own. Stops at the first refusal. */
export async function probeContract(driver: StorageDriver, runtime: Runtime): Promise<readonly ProbeFinding[]> {
  const scratch = probeScratchPrefix(randomId(runtime.random));
  try {
    for (const check of [createTwice, race, visibility]) {
      const message = await check(driver, scratch);
      if (message !== undefined) return [{ level: 'refusal', message }];
    }
    return [];
  } finally {
    await clear(driver, scratch);
  }
}

async function createTwice(driver: StorageDriver, scratch: string): Promise<string | undefined> {
  const key = `${scratch}twice`;
  const answers = [await create(driver, key, 'first'), await create(driver, key, 'second')];
  return answers[0] === 'written' && answers[1] === 'exists' && (await textOf(driver, key)) === 'first'
    ? undefined
    : 'it does not keep a second create of a key from succeeding';
}

async function race(driver: StorageDriver, scratch: string): Promise<string | undefined> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const key = `${scratch}race-${round}`;
    const answers = await Promise.all(Array.from({ length: RACERS }, (_, racer) => create(driver, key, `racer ${racer}`)));
    const winners = answers.flatMap((answer, racer) => (answer === 'written' ? [racer] : []));
    const text = await textOf(driver, key);
    if (winners.length > 1) {
      return `it lets more than one of ${RACERS} simultaneous creates of one key succeed (${winners.length} in round ${round + 1} of ${ROUNDS})`;
    }
    if (winners.length === 1 && text !== `racer ${winners[0]}`) {
      return 'after simultaneous creates of one key it holds other bytes than those of the winner';
    }
  }
  return undefined;
}

async function visibility(driver: StorageDriver, scratch: string): Promise<string | undefined> {
  for (let round = 0; round < VISIBILITY_ROUNDS; round += 1) {
    const key = `${scratch}seen/${round}`;
    if ((await driver.stat(key)) || (await driver.read(key))) return 'it shows a key that nobody wrote';
    if ((await create(driver, key, key)) !== 'written') return 'it says that a fresh key exists already';
    if ((await textOf(driver, key)) !== key) return 'it does not show a key that was just created';
    const { objects } = await driver.list(`${scratch}seen/`);
    if (!objects.some((object) => object.key === key)) return 'a listing does not show a key that was just written';
  }
  return undefined;
}

async function create(driver: StorageDriver, key: string, content: string): Promise<'written' | 'exists' | 'conflict'> {
  try {
    return await driver.write(key, utf8(content), { ifAbsent: true, durable: false });
  } catch (error) {
    if (error instanceof StorageError && error.kind === 'conflict') return 'conflict';
    throw error;
  }
}

async function textOf(driver: StorageDriver, key: string): Promise<string | undefined> {
  const found = await driver.read(key);
  if (!found) return undefined;
  if (found.body instanceof Uint8Array) return Buffer.from(found.body).toString('latin1');
  const chunks: Uint8Array[] = [];
  for await (const chunk of found.body as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

async function clear(driver: StorageDriver, scratch: string): Promise<void> {
  try {
    const { objects } = await driver.list(scratch);
    await driver.delete(objects.map(({ key }) => key));
  } catch {
    // Nothing reads the reserved prefix.
  }
}
