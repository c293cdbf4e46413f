import { isChecked } from '../storage/checked-driver.js';
import { isComposing, isCopying, isPreparing, isSynchronous, type StorageDriver } from '../storage/driver.js';
import { abilityCases } from './storage-cases/ability-cases.js';
import { abortCases } from './storage-cases/abort-cases.js';
import { brokenBodyCases } from './storage-cases/broken-body-cases.js';
import { composeCases } from './storage-cases/compose-cases.js';
import { deleteCases } from './storage-cases/delete-cases.js';
import { keyCases } from './storage-cases/key-cases.js';
import { listCases } from './storage-cases/list-cases.js';
import { prepareCases } from './storage-cases/prepare-cases.js';
import { raceCases } from './storage-cases/race-cases.js';
import { readCases } from './storage-cases/read-cases.js';
import type { StorageDriverCase } from './storage-cases/storage-case.js';
import { writeCases } from './storage-cases/write-cases.js';

export type { StorageAbility, StorageDriverCase } from './storage-cases/storage-case.js';

/**
 * What every storage driver must do, for any test runner:
 *
 *     for (const example of storageDriverCases) {
 *       const reason = reasonToSkip(example, await make());
 *       if (reason) it.skip(`${example.name} (${reason})`);
 *       else it(example.name, () => example.run(make));
 *     }
 *
 * `make` gives a driver over an empty store, another one each time it is called; wrap it in `checked`, as the registry does.
 */
export const storageDriverCases: readonly StorageDriverCase[] = [
  ...writeCases,
  ...brokenBodyCases,
  ...readCases,
  ...listCases,
  ...keyCases,
  ...deleteCases,
  ...raceCases,
  ...abortCases,
  ...abilityCases,
  ...composeCases,
  ...prepareCases,
];

/** Why this driver need not pass this case; undefined when it must. */
export function reasonToSkip({ needs }: StorageDriverCase, driver: StorageDriver): string | undefined {
  if (needs === 'copy' && !isCopying(driver)) return 'the driver has no `copy`: `copyObject` reads and writes instead';
  if (needs === 'compose' && !isComposing(driver))
    return 'the driver has no `compose`: `composeObjects` reads and writes instead';
  if (needs === 'prepare' && !isPreparing(driver))
    return 'the driver has no `prepare`: `prepareWrite` writes all at once instead';
  if (needs === 'sync' && !isSynchronous(driver))
    return 'the driver cannot answer at once: callers use `list` and `stat` instead';
  if (needs === 'checks' && !isChecked(driver)) return 'left to `checked`, and this driver is bare';
  return undefined;
}
