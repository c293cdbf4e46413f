import { notFound } from '../errors/registry-error.js';
import { document, type Reply, type ReplyHeaders, redirect } from '../http/reply.js';
import { type Param, type Route, routesOf } from '../http/route.js';
import type { Ruled } from '../packages/package-handle.js';
import type { UiFiles } from './ui-files.js';

const route = routesOf<Ruled>();

/** Scripts, styles and data from here alone; no framing, no forms that go anywhere, no address told to others. */
const HEADERS: ReplyHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

const fileName: Param<string> = { pattern: '[^/]+', parse: (text) => text };

/**
 * The web page below `/-/ui/`: its files are anybody's, and hold nothing; everything that it shows comes from `/-/api/v1` with the credentials of whoever
 * looks at it. `folder`: see `UiFiles`.
 */
export function uiRoutes(folder: URL | undefined): readonly Route[] {
  let files: Promise<UiFiles> | undefined;
  const open = async (): Promise<UiFiles> => new (await import('./ui-files.js')).UiFiles(folder);
  const show = async (name: string): Promise<Reply> => {
    files ??= open();
    const content = await (await files).file(name);
    if (!content) throw notFound('page');
    return document(content, 'revalidate', { headers: HEADERS });
  };
  return [
    route({
      id: 'ui',
      method: 'GET',
      path: '/-/ui',
      params: {},
      access: 'public',
      // Relative, so that it holds behind whatever prefix a proxy has cut off.
      handler: async () => redirect(308, 'ui/'),
    }),
    route({ id: 'ui-page', method: 'GET', path: '/-/ui/', params: {}, access: 'public', handler: () => show('') }),
    route({
      id: 'ui-file',
      method: 'GET',
      path: '/-/ui/{file}',
      params: { file: fileName },
      access: 'public',
      handler: (call) => show(call.params.file),
    }),
  ];
}
