import { ConfigError } from '../errors/config-error.js';
import { text, utf8 } from '../lib/bytes.js';
import type { Runtime } from '../lib/clock.js';
import { randomId } from '../lib/ids.js';
import type { StorageDriver } from './driver.js';
import { nameHash, probeResultKey, probeScratchPrefix } from './key.js';
import { isProbed, PROBE_VERSION, type ProbeFinding } from './probe-driver.js';
import { StorageError } from './storage-error.js';

export interface CapabilityOptions {
  readonly runtime: Runtime;
  /** The operator promises that exactly one instance writes. */
  readonly singleWriter?: boolean | undefined;
  /** Stands in messages: how the operator calls this store, for example its endpoint. */
  readonly instanceHint?: string | undefined;
}

export interface Capability {
  /** `multi`: any number of instances. `single-writer`: unfit for more than one, and the operator knows. */
  readonly mode: 'multi' | 'single-writer';
  /** An earlier probe's result was believed. */
  readonly remembered: boolean;
  /** Sentences for the operator. */
  readonly warnings: readonly string[];
  /** Nothing more can be written. */
  readonly full: boolean;
  /** What to use from here on: the driver itself, or for a single writer one that reads every create back. */
  readonly driver: StorageDriver;
}

interface ProbeResult {
  readonly v: typeof PROBE_VERSION;
  readonly identity: string;
  readonly refusals: readonly string[];
  readonly warnings: readonly string[];
}

/** Results count for 7 days of the store's own clock. */
const REMEMBERED_MS = 7 * 24 * 3_600_000;
/** Stores round their times to seconds. */
const ROUNDING_MS = 1_000;
const RESULT_MAX_BYTES = 16 * 1_024;
const FULL =
  'There is no space left on the storage: what it can do is believed from an earlier look, and nothing can be published';

/**
 * Makes sure that a store keeps the promise on which everything rests: of any number of simultaneous creates of one key, exactly one succeeds.
 * Remembers the answer in the store. Throws a ConfigError with path `storage` when the store does not keep it (unless `singleWriter`), and
 * StorageErrors when it cannot be reached. (reliability §3.2.)
 */
export async function ensureCapable(driver: StorageDriver, options: CapabilityOptions): Promise<Capability> {
  const identity = identityOf(driver);
  const key = probeResultKey(nameHash(`${PROBE_VERSION} ${identity}`));
  const known = await recall(driver, key, identity, options.runtime);
  if (known && (known.refusals.length === 0 || options.singleWriter)) return conclude(driver, known, true, options);
  const result = toResult(identity, await look(driver, options.runtime));
  if (result.refusals.length > 0 && !options.singleWriter) throw refusal(driver, result.refusals, options);
  await remember(driver, key, result);
  return conclude(driver, result, false, options);
}

const identityOf = (driver: StorageDriver): string => (isProbed(driver) ? driver.probeIdentity : `driver ${driver.name}`);

const look = async (driver: StorageDriver, runtime: Runtime): Promise<readonly ProbeFinding[]> =>
  isProbed(driver) ? driver.probe() : (await import('./probe-contract.js')).probeContract(driver, runtime);

function toResult(identity: string, findings: readonly ProbeFinding[]): ProbeResult {
  const of = (level: ProbeFinding['level']): string[] =>
    findings.filter((finding) => finding.level === level).map(({ message }) => message);
  return { v: PROBE_VERSION, identity, refusals: of('refusal'), warnings: of('warning') };
}

async function conclude(
  driver: StorageDriver,
  result: ProbeResult,
  remembered: boolean,
  options: CapabilityOptions,
): Promise<Capability> {
  const full = result.warnings.includes(FULL);
  if (result.refusals.length === 0) return { mode: 'multi', remembered, warnings: result.warnings, full, driver };
  const known = `${nameOf(driver, options)} runs with one writer only, because ${sentences(result.refusals)}`;
  const { readBack } = await import('./probe-read-back.js');
  return { mode: 'single-writer', remembered, warnings: [known, ...result.warnings], full, driver: readBack(driver) };
}

function refusal(driver: StorageDriver, refusals: readonly string[], options: CapabilityOptions): ConfigError {
  const message =
    `${nameOf(driver, options)} is not fit to hold a registry: ${sentences(refusals)} ` +
    'Several writers would overwrite what others have been told is published. Use a store whose conditional writes hold ' +
    '(for example a local folder, or an S3 store that passes this check), or set singleWriter and run exactly one instance.';
  return new ConfigError([{ path: 'storage', message }]);
}

const nameOf = (driver: StorageDriver, options: CapabilityOptions): string =>
  options.instanceHint ? `The ${driver.name} store ${options.instanceHint}` : `The ${driver.name} store`;

const sentences = (messages: readonly string[]): string => messages.map((message) => `${message}.`).join(' ');

/** An earlier result, if it is whole, about this very store, and young by the store's own clock. */
async function recall(driver: StorageDriver, key: string, identity: string, runtime: Runtime): Promise<ProbeResult | undefined> {
  const found = await driver.read(key).catch((error: unknown) => {
    // A store that says 403 for what is missing gets its own sentence from the probe.
    if (error instanceof StorageError && error.kind === 'denied') return undefined;
    throw error;
  });
  if (!found) return undefined;
  if (!(found.body instanceof Uint8Array) || found.size > RESULT_MAX_BYTES) {
    if (!(found.body instanceof Uint8Array)) await found.body.cancel();
    return undefined;
  }
  const result = parse(found.body);
  if (result?.identity !== identity) return undefined;
  const time = await storeTime(driver, runtime).catch((error: unknown) => {
    if (error instanceof StorageError && error.kind === 'full') return undefined;
    throw error;
  });
  // No new probe either could be made on it, and to read from it, or to delete, is still possible.
  if (time === undefined) return { ...result, warnings: [...result.warnings, FULL] };
  const age = time - found.modified;
  return age >= -ROUNDING_MS && age < REMEMBERED_MS ? result : undefined;
}

/** What time the store thinks it is. */
async function storeTime(driver: StorageDriver, runtime: Runtime): Promise<number> {
  const key = `${probeScratchPrefix(randomId(runtime.random))}clock`;
  await driver.write(key, utf8('tick'), { durable: false });
  const info = await driver.stat(key);
  await driver.delete([key]);
  return info?.modified ?? Number.POSITIVE_INFINITY;
}

function parse(body: Uint8Array): ProbeResult | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text(body));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { v, identity, refusals, warnings } = value as Partial<Record<keyof ProbeResult, unknown>>;
  if (v !== PROBE_VERSION || typeof identity !== 'string' || !areTexts(refusals) || !areTexts(warnings)) return undefined;
  return { v, identity, refusals, warnings };
}

const areTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

async function remember(driver: StorageDriver, key: string, result: ProbeResult): Promise<void> {
  try {
    await driver.write(key, utf8(JSON.stringify(result)), { durable: false });
  } catch (error) {
    // The next start probes again: slower, not wrong.
    if (!(error instanceof StorageError)) throw error;
  }
}
