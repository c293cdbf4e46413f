/** Public URL of the API's root, `…/v2`, without a slash at its end. A repository may be mounted at `/v2` itself. */
export const rootOf = (baseUrl: string): string => (baseUrl.endsWith('/v2') ? baseUrl : `${baseUrl}/v2`);

/** Path of the API's root: links are path-absolute, because every client resolves those and no proxy can spoil them. */
export const rootPathOf = (baseUrl: string): string => rootOf(baseUrl).replace(/^[a-z]+:\/\/[^/]*/i, '');

export const blobPath = (baseUrl: string, name: string, digest: string): string =>
  `${rootPathOf(baseUrl)}/${name}/blobs/${digest}`;

export const uploadPath = (baseUrl: string, name: string, id: string): string =>
  `${rootPathOf(baseUrl)}/${name}/blobs/uploads/${id}`;

export const manifestPath = (baseUrl: string, name: string, digest: string): string =>
  `${rootPathOf(baseUrl)}/${name}/manifests/${digest}`;

/** A `Link` header's value for the next page (RFC 8288). */
export function nextLink(path: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const query = Object.entries(parameters)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');
  return `<${path}?${query}>; rel="next"`;
}
