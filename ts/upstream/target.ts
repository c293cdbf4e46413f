import { isPublicHost } from './address-guard.js';
import { UpstreamFailure } from './ask.js';
import type { IUpstream } from './provider.js';

/** Where one request goes. */
export interface Place {
  readonly secure: boolean;
  /** As `URL` writes it: IPv6 in brackets. */
  readonly hostname: string;
  readonly port: number;
  /** `https://registry.example`; two places are of one origin when these are equal. */
  readonly origin: string;
  /** As it is sent: nothing in it has been decoded; with the query. */
  readonly path: string;
}

const LONGEST = 8_192;
/** What may stand in a request line. A backslash may not: some take it for a slash. */
const WRITTEN = /^[\x21-\x5b\x5d-\x7e]*$/;
const ABSOLUTE = /^(https?):\/\/([^/?#@]+)([/?][^#]*)?(?:#.*)?$/i;
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:[/?]|$)/i;

const unusable = (): UpstreamFailure =>
  new UpstreamFailure('upstream_failed', 'the upstream points to an address that cannot be used');

const defaultPort = (secure: boolean): number => (secure ? 443 : 80);

/** Only the host is read by `URL`: of a whole address it would also resolve what looks like a step upwards. */
function place(secure: boolean, authority: string, path: string): Place | undefined {
  const text = `${secure ? 'https' : 'http'}://${authority}/`;
  if (authority.includes('@') || !URL.canParse(text)) return undefined;
  const { hostname, port, origin, pathname } = new URL(text);
  if (hostname === '' || pathname !== '/') return undefined;
  return { secure, hostname, port: port === '' ? defaultPort(secure) : Number(port), origin, path };
}

/** The addresses of one upstream: which of them may be asked at all, and which are its own. */
export class Places {
  private readonly base: Place;
  private readonly named: ReadonlySet<string>;

  /** Throws a TypeError when the upstream's URL is none. */
  constructor({ url, alsoAt = [] }: IUpstream) {
    const { protocol, host, origin, pathname } = new URL(url);
    const base = place(protocol === 'https:', host, pathname.replace(/\/+$/, ''));
    if (!base) throw new TypeError('an upstream needs an http or https URL');
    this.base = base;
    this.named = new Set([origin, ...alsoAt.map((one) => new URL(one).origin)]);
  }

  /** What its operator has named: asked wherever it lies. */
  isNamed({ origin }: Place): boolean {
    return this.named.has(origin);
  }

  /** Where credentials may be sent. */
  isOwn({ origin }: Place): boolean {
    return origin === this.base.origin;
  }

  /** The place of `UpstreamRequest.target`. Throws an `UpstreamFailure` that does not repeat it. */
  of(target: string): Place {
    if (target.length > LONGEST || !WRITTEN.test(target)) throw unusable();
    const [, scheme, authority, path = '/'] = ABSOLUTE.exec(target) ?? [];
    if (scheme === undefined || authority === undefined) return this.below(target);
    const found = place(scheme.toLowerCase() === 'https', authority, path.startsWith('/') ? path : `/${path}`);
    if (!found || DOT_SEGMENT.test(pathOf(found))) throw unusable();
    return this.checked(this.secured(found), this.base);
  }

  /** Where a redirect leads (RFC 9110 §10.2.2). Throws an `UpstreamFailure` that does not repeat it. */
  next(from: Place, location: string | undefined): Place {
    if (!location || location.length > LONGEST || !WRITTEN.test(location)) throw unusable();
    const base = from.origin + from.path;
    if (!URL.canParse(location, base)) throw unusable();
    const url = new URL(location, base);
    if (!/^https?:$/.test(url.protocol) || url.username || url.password) throw unusable();
    const found = place(url.protocol === 'https:', url.host, url.pathname + url.search);
    if (!found || (from.secure && !found.secure)) throw unusable();
    return this.checked(found, undefined);
  }

  private below(target: string): Place {
    if (target.startsWith('/') || target.includes('#') || SCHEME.test(target)) throw unusable();
    const found = { ...this.base, path: `${this.base.path}/${target}` };
    if (DOT_SEGMENT.test(pathOf(found))) throw unusable();
    return found;
  }

  /** Old documents name their own host without TLS: that is the same host. */
  private secured(found: Place): Place {
    const { base } = this;
    if (found.secure || !base.secure || found.hostname !== base.hostname) return found;
    const usual = found.port === defaultPort(false) && base.port === defaultPort(true);
    return usual || found.port === base.port ? { ...base, path: found.path } : found;
  }

  private checked(found: Place, from: Place | undefined): Place {
    if (this.isNamed(found)) return found;
    if (from?.secure && !found.secure) throw unusable();
    if ((found.port !== 80 && found.port !== 443) || !isPublicHost(found.hostname)) throw unusable();
    return found;
  }
}

const pathOf = ({ path }: Place): string => path.split('?', 1)[0] as string;
