import { beforeAll, describe, expect, it } from 'vitest';
import { behindProxy } from './behind-proxy.js';
import { lacks, SETUP_MS } from './installed.js';
import { leaveHalfWay, publishLarge } from './large-package.js';
import { publishAndInstall } from './npm-client.js';
import { start } from './program.js';
import { project, scratch } from './project.js';

describe.each(['bun', 'deno'] as const)('%s', (host) => {
  describe.skipIf(lacks(host))('serve({ fetch: registry.fetch })', () => {
    let out = '';
    beforeAll(() => {
      out = project().compile([host]);
    }, SETUP_MS);

    it('takes npm publish and npm install, and ends when it is asked to', async () => {
      const program = await start(host, `${out}/${host}.js`, { ENTREPOT_ROOT: scratch() });
      await publishAndInstall(`${program.url}/npm/`);
      const { code, err } = await program.stop();
      // Deno says once, to everybody who looks at `request.signal`, that it will mean something else one day.
      expect([code, err.replace(/^Deno\.serve: request\.signal .*\n/m, '')]).toEqual([0, '']);
    });

    it('a client that leaves half-way closes the file behind it', async () => {
      const root = scratch();
      const program = await start(host, `${out}/${host}.js`, { ENTREPOT_ROOT: root });
      await leaveHalfWay(program, root, await publishLarge(`${program.url}/npm/`));
      expect(await program.stop()).toMatchObject({ code: 0 });
    });

    it('believes a proxy that is trusted, where it is told who is calling', () => behindProxy(host, `${out}/${host}.js`));
  });
});
