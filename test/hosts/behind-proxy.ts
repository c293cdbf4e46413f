import { expect } from 'vitest';
import { publishBody } from '../server/publish.js';
import { TOKEN } from './npm-client.js';
import { type Runner, start } from './program.js';

/** Links follow what a proxy says, when the connection comes from one that is trusted; and only then. */
export async function behindProxy(runner: Runner, file: string): Promise<void> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const forwarded = {
    ...headers,
    'x-forwarded-host': 'packages.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-for': '192.0.2.7',
  };
  const origins: (string | undefined)[] = [];
  for (const trusted of ['127.0.0.1/32', '192.0.2.0/24']) {
    const program = await start(runner, file, { TRUST_PROXY: trusted });
    const put = await fetch(`${program.url}/npm/thing`, { method: 'PUT', headers, body: publishBody('thing', '1.0.0') });
    expect(put.status).toBe(201);
    const answer = await fetch(`${program.url}/npm/thing`, { headers: forwarded });
    const packument = (await answer.json()) as { versions: Record<string, { dist: { tarball: string } }> };
    origins.push(packument.versions['1.0.0']?.dist.tarball.replace(program.url, 'direct'));
    await program.stop();
  }
  expect(origins).toEqual(['https://packages.example/npm/thing/-/thing-1.0.0.tgz', 'direct/npm/thing/-/thing-1.0.0.tgz']);
}
