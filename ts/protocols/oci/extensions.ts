import { json, type Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import { nameUnknown } from './errors.js';
import { outerName } from './locations.js';
import { isInhabited, type OciState } from './state.js';

/** What the extension for extensions says of itself (distribution-spec, extensions/_oci.md). */
const DISCOVERY = {
  name: '_oci',
  url: 'https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md',
  description: 'says which extensions there are',
};

/** `GET /v2/_oci/ext/discover`. */
export const discoverAll = async (): Promise<Reply> =>
  json({ extensions: [{ ...DISCOVERY, endpoints: ['_oci/ext/discover'] }] }, 'revalidate');

/** `GET /v2/<name>/_oci/ext/discover`. */
export const discoverFor = async (call: Call<{ readonly name: string }, unknown, OciState>): Promise<Reply> => {
  if (!isInhabited(call.package.snapshot.state)) throw nameUnknown(outerName(call, call.params.name));
  return discoverAll();
};
