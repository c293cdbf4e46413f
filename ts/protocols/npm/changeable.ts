import { forbidden } from '../../errors/registry-error.js';
import { isHosted } from '../../packages/shown.js';
import type { NpmSnapshot } from './state.js';
import { present } from './views.js';

/** The snapshot of a package that can be changed here. Throws `forbidden` for one that only an upstream has, `not_found` for one that is nowhere. */
export function changeable(snapshot: NpmSnapshot): NpmSnapshot {
  const { state } = snapshot;
  if (state.shown && !isHosted(state))
    throw forbidden(
      'this package comes from another registry: it cannot be changed here, only replaced by a package of your own under its name',
    );
  return present(snapshot);
}
