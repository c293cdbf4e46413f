import { expect, it } from 'vitest';
import { type IRegistryConfig, SmartRegistry, StorageError } from '../../ts/index.js';
import { collectAll, verifyAll } from '../../ts/server/house-keeping.js';
import { sentence } from '../../ts/server/sentence.js';
import { serve } from '../../ts/server/serve.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { houseOver } from './house-over.js';
import { publishBody } from './publish.js';

const TOKEN = 'an-operators-own-token-K7xQ2mP9vR4w';
const BLOCK = 4_096;
const blocksOf = (size: number): number => Math.ceil(size / BLOCK);

/** A disk of so many blocks; every file takes whole ones. */
class Disk extends SynchronousMemoryDriver {
  blocks = Number.POSITIVE_INFINITY;
  refused = 0;

  async used(): Promise<number> {
    let [sum, after, more]: [number, string | undefined, boolean] = [0, undefined, true];
    while (more) {
      const page = await super.list('', { after });
      for (const { size } of page.objects) sum += blocksOf(size);
      after = page.next;
      more = after !== undefined;
    }
    return sum;
  }

  override write: SynchronousMemoryDriver['write'] = async (key, body, options) => {
    const size = body instanceof Uint8Array ? body.byteLength : BLOCK;
    if (size > 0 && (await this.used()) + blocksOf(size) > this.blocks) {
      this.refused += 1;
      throw new StorageError('full', `no space left for ${key}`);
    }
    return super.write(key, body, options);
  };
}

const configOf = (storage: Disk): IRegistryConfig => ({
  storage,
  secret: 'correct-horse-battery-staple-1-AZ9',
  auth: { adminToken: TOKEN },
  npm: { enabled: true },
});

const opened = async (storage: Disk, faults: string[]): Promise<SmartRegistry> => {
  const registry = new SmartRegistry({
    ...configOf(storage),
    onFault: (error, where) => void faults.push(`${where}: ${String(error)}`),
  });
  await registry.init();
  return registry;
};

const ask = async (registry: SmartRegistry, ...asked: Parameters<ReturnType<typeof houseOver>>): Promise<number> =>
  (await houseOver(registry, TOKEN)(...asked)).status;

it('a storage that is full to the last byte is opened, read and verified without a byte more, and a collection makes room', async () => {
  const disk = new Disk();
  const faults: string[] = [];
  const before = await opened(disk, faults);
  for (const name of ['a', 'b', 'c', 'd']) expect(await ask(before, 'PUT', `/npm/${name}`, publishBody(name, '1.0.0'))).toBe(201);
  for (const name of ['a', 'b'])
    expect(await ask(before, 'DELETE', `/-/api/v1/repositories/npm/packages/${name}/versions/1.0.0?purge=true`)).toBe(200);
  await before.destroy();
  disk.blocks = await disk.used();

  const registry = await opened(disk, faults);
  expect(registry.parts.storage.warnings.join()).toContain('There is no space left on the storage');
  expect(await ask(registry, 'GET', '/npm/c')).toBe(200);
  expect(await ask(registry, 'PUT', '/npm/e', publishBody('e', '1.0.0'))).toBe(507);
  expect((await verifyAll(registry.parts, { repair: false })).problems).toBe(0);

  const { refused } = disk;
  expect(await collectAll(registry.parts, { dryRun: true })).toMatchObject([{ repository: 'npm' }]);
  const reports = await collectAll(registry.parts, { dryRun: false });
  expect(disk.refused).toBeGreaterThan(refused);
  expect(reports).toMatchObject([{ repository: 'npm', condemned: 2 }]);
  expect(faults.filter((fault) => fault.startsWith('gc:'))).toEqual([
    expect.stringMatching(/storage is full: \d+ views were deleted/),
  ]);

  expect(await ask(registry, 'PUT', '/npm/e', publishBody('e', '1.0.0'))).toBe(201);
  expect((await verifyAll(registry.parts, { repair: false })).problems).toBe(0);
  await registry.destroy();
});

it('a server that could take nothing in does not start, and says why', async () => {
  const disk = new Disk();
  await (await opened(disk, [])).destroy();
  const start = () => {
    const quiet = { port: 0, host: '127.0.0.1', workers: 1, logFormat: 'json', logLevel: 'error' } as const;
    return serve({ ...quiet, registry: configOf(disk) }, { write: () => undefined });
  };
  disk.blocks = await disk.used();
  expect(await start().catch(sentence)).toBe('There is no space left on the storage (entrepot gc may make room)');
  disk.blocks += 100;
  const running = await start();
  await running.stop();
});

it('a collection on a storage with room deletes no view', async () => {
  const disk = new Disk();
  const faults: string[] = [];
  const registry = await opened(disk, faults);
  expect(await ask(registry, 'PUT', '/npm/a', publishBody('a', '1.0.0'))).toBe(201);
  await registry.destroy();
  const again = await opened(disk, faults);
  const views = (await disk.list('derived/checkpoint/')).objects.map(({ key }) => key);
  await collectAll(again.parts, { dryRun: false });
  expect((await disk.list('derived/checkpoint/')).objects.map(({ key }) => key)).toEqual(views);
  expect(views).not.toEqual([]);
  expect(faults).toEqual([]);
  await again.destroy();
});
