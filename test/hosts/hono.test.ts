import { beforeAll, describe, expect, it } from 'vitest';
import { behindProxy } from './behind-proxy.js';
import { lacks, SETUP_MS } from './installed.js';
import { leaveHalfWay, publishLarge } from './large-package.js';
import { publishAndInstall } from './npm-client.js';
import { start } from './program.js';
import { project, scratch } from './project.js';

describe.skipIf(lacks('hono'))('hono', () => {
  let out = '';
  beforeAll(() => {
    out = project('hono').compile(['hono'], { lib: ['ES2022', 'DOM', 'DOM.Iterable'] });
  }, SETUP_MS);

  it("app.mount('/', registry.fetch): publish and install, and its own routes before", async () => {
    const program = await start('node', `${out}/hono.js`);
    await publishAndInstall(`${program.url}/npm/`);
    expect(await (await fetch(`${program.url}/hello`)).text()).toBe('hello');
    expect(await program.stop()).toMatchObject({ code: 0, err: '' });
  });

  it('a client that leaves half-way closes the file behind it', async () => {
    const root = scratch();
    const program = await start('node', `${out}/hono.js`, { ENTREPOT_ROOT: root });
    await leaveHalfWay(program, root, await publishLarge(`${program.url}/npm/`));
    expect(await program.stop()).toMatchObject({ code: 0 });
  });

  it('believes a proxy that is trusted, where it is told who is calling', () => behindProxy('node', `${out}/hono.js`));
});
