import { beforeAll, describe, expect, it } from 'vitest';
import { SETUP_MS } from './installed.js';
import { leaveHalfWay, publishLarge } from './large-package.js';
import { publishAndInstall } from './npm-client.js';
import { start } from './program.js';
import { project, scratch } from './project.js';

describe('node:http', () => {
  let out = '';
  beforeAll(() => {
    out = project().compile(['node-http']);
  }, SETUP_MS);

  it('takes npm publish and npm install, and ends when it is asked to', async () => {
    const program = await start('node', `${out}/node-http.js`);
    await publishAndInstall(`${program.url}/npm/`);
    expect(await program.stop()).toMatchObject({ code: 0, err: '' });
  });

  it('a client that leaves half-way closes the file behind it', async () => {
    const root = scratch();
    const program = await start('node', `${out}/node-http.js`, { ENTREPOT_ROOT: root });
    await leaveHalfWay(program, root, await publishLarge(`${program.url}/npm/`));
    expect(await program.stop()).toMatchObject({ code: 0, err: '' });
  });
});
