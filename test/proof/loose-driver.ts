import type { PreparedWrite, StorageDriver } from '../../ts/storage/driver.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';

/** How many turns of the event loop a create waits for another of the same key. */
const PATIENCE = 12;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * A store whose conditions can be switched off: a create then looks whether the key is there, waits until another instance has looked too (or nobody
 * comes), and writes. What stores do that check a condition when a request begins, made certain.
 */
export class LooseDriver extends MemoryDriver {
  loose = false;
  private readonly looking = new Map<string, number>();

  override async prepare(...[key, body, options]: Parameters<MemoryDriver['prepare']>): Promise<PreparedWrite> {
    await turn();
    if (!this.loose || options?.ifAbsent !== true || !key.startsWith('log/npm/')) return super.prepare(key, body, options);
    const { commit, discard } = await super.prepare(key, body, { ...options, ifAbsent: false });
    return {
      discard,
      commit: async () => {
        if (this.has(key)) return 'exists';
        await this.meet(key);
        return commit();
      },
    };
  }

  override async read(...args: Parameters<StorageDriver['read']>): ReturnType<StorageDriver['read']> {
    await turn();
    return super.read(...args);
  }

  private async meet(key: string): Promise<void> {
    this.looking.set(key, (this.looking.get(key) ?? 0) + 1);
    for (let turns = 0; turns < PATIENCE && (this.looking.get(key) ?? 0) < 2; turns += 1) await turn();
  }
}
