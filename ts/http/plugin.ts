import type { Resource } from '../auth/principal.js';
import type { RegistryError } from '../errors/registry-error.js';
import type { Route } from './route.js';

/** A protocol's voice for errors: the same failure, in its own wire format. */
export interface ErrorFormat {
  readonly mediaType: string;
  body(error: RegistryError, status: number): string;
  /** Value of WWW-Authenticate for a 401. */
  challenge(baseUrl: string, wanted: readonly Resource[]): string;
  /** Where a protocol departs from HTTP_STATUS. */
  status?(error: RegistryError): number | undefined;
}

/** One repository as the pipeline sees it: a table of routes and a voice. */
export interface ProtocolInstance {
  /** `npm`, `oci`, … */
  readonly protocol: string;
  /** What a package is called in scopes: `package`, `repository`, `crate`, … */
  readonly resourceType: string;
  readonly routes: readonly Route[];
  readonly errors: ErrorFormat;
}
