import { invalid } from '../errors/registry-error.js';
import { type Networks, parseAddress } from '../lib/cidr.js';
import { splitOutsideQuotes } from '../lib/media-type.js';
import { Recall } from '../lib/recall.js';
import type { HeaderBag } from './route.js';

/** Who is at the other end of the connection, as far as the host knows. */
export interface Peer {
  readonly address?: string | undefined;
  /** The connection itself is TLS. */
  readonly encrypted?: boolean | undefined;
}

/** What the outside of the host looks like to this client. */
export interface Outside {
  /** Scheme and authority: `https://packages.example`. */
  readonly origin: string;
  /** Prefix that a proxy has cut off, without a slash at its end. */
  readonly prefix: string;
  /** The client's address, walked back through trusted proxies only. */
  readonly address: string | undefined;
}

const HOST = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
const PREFIX = /^(?:\/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*\/?$/;
const MAX_HOPS = 32;
const goodHosts = new Recall<true>();

/** A Host header's value (RFC 9110 §7.2), strict: it ends up in links. */
export const isHost = (text: string): boolean => goodHosts.get(text) === true || (HOST.test(text) && goodHosts.keep(text, true));

const items = (header: string | undefined): string[] =>
  header === undefined ? [] : header.split(',').map((item) => item.trim());

interface Hops {
  readonly address: string;
  /** How many trusted machines stand between the client and us. */
  readonly count: number;
}

/** From the peer towards the client, as long as the machine that says so is trusted. A malformed entry ends the walk. */
function walk(peer: string, forwardedFor: readonly string[], trusted: Networks): Hops {
  let address = peer;
  let count = 0;
  for (let at = forwardedFor.length - 1; trusted.includes(address); at--) {
    count++;
    const next = at >= 0 && count <= MAX_HOPS ? parseAddress(forwardedFor[at] as string) : undefined;
    if (next === undefined) break;
    address = next;
  }
  return { address, count };
}

/** Every trusted machine adds one item at the right, or replaces them all: what the outermost trusted one said. */
const said = (list: readonly string[], hops: number): string | undefined => list[Math.max(0, list.length - hops)];

interface Claims {
  readonly for: readonly string[];
  readonly proto: readonly string[];
  readonly host: readonly string[];
}

function forwardedClaims(header: string): Claims {
  const claims = { for: [] as string[], proto: [] as string[], host: [] as string[] };
  for (const element of splitOutsideQuotes(header, ',')) {
    for (const pair of splitOutsideQuotes(element, ';')) {
      const [name = '', ...value] = pair.split('=');
      const key = name.trim().toLowerCase();
      if (key === 'for' || key === 'proto' || key === 'host')
        claims[key].push(
          value
            .join('=')
            .trim()
            .replace(/^"(.*)"$/, '$1'),
        );
    }
  }
  return claims;
}

function claimsOf(headers: HeaderBag): Claims {
  const claims = {
    for: items(headers.get('x-forwarded-for')),
    proto: items(headers.get('x-forwarded-proto')),
    host: items(headers.get('x-forwarded-host')),
  };
  const forwarded = headers.get('forwarded');
  if (forwarded === undefined || claims.for.length + claims.proto.length + claims.host.length > 0) return claims;
  return forwardedClaims(forwarded);
}

function ownHost(headers: HeaderBag): string {
  const host = headers.get('host');
  if (host === undefined) return 'localhost';
  if (!isHost(host)) throw invalid('malformed Host header');
  return host;
}

/**
 * Origin, prefix and client address of a request. Forwarded headers (`X-Forwarded-For|Proto|Host|Prefix`, or RFC 7239 `Forwarded` where none of them is
 * there) count only when the peer's address is trusted; what is malformed in them counts as absent. Throws `invalid` for a malformed Host.
 */
export function outsideOf(headers: HeaderBag, peer: Peer, trusted: Networks): Outside {
  const own = peer.address === undefined ? undefined : (parseAddress(peer.address) ?? peer.address);
  const scheme = peer.encrypted ? 'https' : 'http';
  if (own === undefined || !trusted.includes(own)) {
    return { origin: `${scheme}://${ownHost(headers)}`, prefix: '', address: own };
  }
  const claims = claimsOf(headers);
  const { address, count } = walk(own, claims.for, trusted);
  const proto = said(claims.proto, count)?.toLowerCase();
  const host = said(claims.host, count);
  const prefix = said(items(headers.get('x-forwarded-prefix')), count) ?? '';
  return {
    origin: `${proto === 'https' || proto === 'http' ? proto : scheme}://${host !== undefined && isHost(host) ? host : ownHost(headers)}`,
    prefix: prefix.length <= 1024 && PREFIX.test(prefix) ? prefix.replace(/\/+$/, '') : '',
    address,
  };
}

export interface BaseUrlOptions {
  /** This repository's own public URL: the last word. */
  readonly registryUrl?: string | undefined;
  /** The whole host's public URL; the repository's mount is added. */
  readonly publicUrl?: string | undefined;
  /** Where the repository is mounted: empty or `/…`. */
  readonly mount: string;
  /** What the embedding host has cut off the path (`locate`). */
  readonly hostPrefix: string;
}

const bare = (url: string): string => (url.endsWith('/') ? url.replace(/\/+$/, '') : url);

/** Public base URL of a repository, without a slash at its end: configuration before anything that a request says. */
export function baseUrlOf(outside: Pick<Outside, 'origin' | 'prefix'>, options: BaseUrlOptions): string {
  if (options.registryUrl !== undefined) return bare(options.registryUrl);
  if (options.publicUrl !== undefined) return bare(options.publicUrl) + bare(options.mount);
  const hostPrefix = options.hostPrefix !== '' && PREFIX.test(options.hostPrefix) ? options.hostPrefix : '';
  return outside.origin + outside.prefix + bare(hostPrefix) + bare(options.mount);
}
