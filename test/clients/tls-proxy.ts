import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import type { OciMachine } from './oci-machine.js';

export interface TlsProxy {
  readonly url: string;
  /** As image names begin. */
  readonly host: string;
  /** File with the certificate, to be believed. */
  readonly certificate: string;
  /** Where requests go. */
  target: string;
  /** Whether it tells, in `X-Forwarded-…`, what was asked of it. */
  tells: boolean;
  stop(): Promise<void>;
}

/** A proxy that ends TLS with a certificate made for it, and asks the server behind it in plain HTTP under the server's own name. */
export async function startTlsProxy(machine: OciMachine): Promise<TlsProxy> {
  const [key, certificate] = [machine.path('tls.key'), machine.path('certificates/ca.crt')];
  machine.write('certificates/empty', '');
  const subject = ['-subj', '/CN=registry.example', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:registry.example'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await machine.out('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', certificate]);
  const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (req, res) => {
    const { hostname, port, host } = new URL(proxy.target);
    const told = proxy.tells
      ? {
          'x-forwarded-for': req.socket.remoteAddress ?? '',
          'x-forwarded-proto': 'https',
          'x-forwarded-host': req.headers.host ?? '',
        }
      : {};
    const headers = { ...req.headers, host, ...told };
    const onward = request({ hostname, port, method: req.method, path: req.url, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.headers);
      pipeline(answer, res, () => undefined);
    });
    onward.on('error', () => (res.headersSent ? res.destroy() : res.writeHead(502).end()));
    res.on('close', () => onward.destroy());
    pipeline(req, onward, () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const proxy: TlsProxy = {
    url: `https://${host}`,
    host,
    certificate,
    target: '',
    tells: false,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}
