import { beforeAll, describe, expect, it } from 'vitest';
import { publishAndInstall } from './npm-client.js';
import { start } from './program.js';
import { project } from './project.js';

describe('node:http', () => {
  let out = '';
  beforeAll(() => {
    out = project().compile(['node-http']);
  });

  it('takes npm publish and npm install, and ends when it is asked to', async () => {
    const program = await start('node', `${out}/node-http.js`);
    await publishAndInstall(`${program.url}/npm/`);
    expect(await program.stop()).toMatchObject({ code: 0, err: '' });
  });
});
