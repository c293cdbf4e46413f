import type { Ruled } from '../packages/package-handle.js';
import { npmProtocol } from './npm/protocol.js';
import { ociProtocol } from './oci/protocol.js';
import type { Protocol } from './protocol.js';

/** A protocol whose states only it knows. The house hands it the states that its own schema has folded, and no others. */
const erased = <S extends Ruled>(protocol: Protocol<S>): readonly [string, Protocol<Ruled>] => [
  protocol.name,
  protocol as unknown as Protocol<Ruled>,
];

/** Every protocol of this release, by name. */
export const PROTOCOL_TABLE: ReadonlyMap<string, Protocol<Ruled>> = new Map([erased(npmProtocol), erased(ociProtocol)]);
