/** Where a request came in: every `Call` says so. */
export interface Place {
  readonly baseUrl: string;
  readonly prefix: string;
}

/** Public URL of the API's root, `…/v2`, without a slash at its end. A repository may be mounted at `/v2` itself. */
export const rootOf = (baseUrl: string): string => (baseUrl.endsWith('/v2') ? baseUrl : `${baseUrl}/v2`);

/** Path of the API's root: links are path-absolute, because every client resolves those and no proxy can spoil them. */
export const rootPathOf = ({ baseUrl }: Place): string => rootOf(baseUrl).replace(/^[a-z]+:\/\/[^/]*/i, '');

/** An image repository's name as the client knows it. */
export const outerName = ({ prefix }: Place, name: string): string => prefix + name;

/** Path of what belongs to an image repository; `rest` begins with a slash. */
export const pathOf = (place: Place, name: string, rest: string): string =>
  `${rootPathOf(place)}/${outerName(place, name)}${rest}`;

export const blobPath = (place: Place, name: string, digest: string): string => pathOf(place, name, `/blobs/${digest}`);

export const uploadPath = (place: Place, name: string, id: string): string => pathOf(place, name, `/blobs/uploads/${id}`);

export const manifestPath = (place: Place, name: string, digest: string): string => pathOf(place, name, `/manifests/${digest}`);

/** A `Link` header's value for the next page (RFC 8288). */
export function nextLink(path: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const query = Object.entries(parameters)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');
  return `<${path}?${query}>; rel="next"`;
}
