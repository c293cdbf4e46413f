import { Space } from '../../ts/log/space.js';
import { type Names, namesSchema, TestClock, testRuntime } from './set-log.js';
import type { SimpleStore } from './simple-store.js';

let seed = 0;
function space(
  driver: SimpleStore,
  clock = new TestClock(),
  more: {
    readonly maxStaleness?: number;
    readonly cacheBytes?: number;
    readonly copyAbove?: (key: string, floor: number) => Promise<string | undefined>;
  } = {},
): Space<Names> {
  seed += 1;
  return new Space<Names>({
    id: 'r',
    driver,
    runtime: testRuntime(seed, clock),
    schema: namesSchema,
    maxStaleness: 0,
    onFault: (error, where) => faults.push(`${where}: ${String(error)}`),
    ...more,
  });
}
/** What was told behind answers. */
export const faults: string[] = [];
export const opened = async (...args: Parameters<typeof space>) => {
  const one = space(...args);
  await one.open();
  return one;
};
export const keys = (driver: SimpleStore, prefix: string) => [...driver.objects.keys()].filter((key) => key.startsWith(prefix));
