import { beforeAll, describe, expect, it } from 'vitest';
import { logIn, openTab, type Served, served } from './rig.js';

let house: Served;
let admin: string;
beforeAll(async () => {
  house = await served();
  admin = await house.user('chief', { admin: true });
  await house.publish(admin, 'sound', '1.0.0', { readme: '# Sound\n<b>no markup</b>' });
  await house.publish(admin, 'sound', '1.1.0', {
    manifest: { description: 'Makes a sound', homepage: 'https://sound.example/' },
  });
  await house.publish(admin, '@acme/tool', '0.1.0');
});

describe('the web page', () => {
  it('asks for a token, refuses a wrong one in words, and keeps a good one for this tab alone', async () => {
    const tab = await openTab(house.url);
    await tab.sees('Log in');
    tab.type('token', 'ent_nonsense');
    tab.submit();
    await tab.sees('This token is not valid.');
    expect(tab.window.sessionStorage.length).toBe(0);
    await logIn(tab, admin);
    await tab.sees('npm config set registry');
    expect(tab.window.sessionStorage.length).toBe(1);
    expect(tab.window.localStorage.length).toBe(0);
    expect(tab.window.document.cookie).toBe('');
    expect(tab.window.location.href).not.toContain(admin);
    expect(tab.sent.filter(({ url }) => url.includes(admin))).toEqual([]);
    expect(tab.sent.at(-1)).toMatchObject({ authorization: `Bearer ${admin}` });
    tab.press('Log out');
    await tab.sees('You are logged out.');
    expect(tab.window.sessionStorage.length).toBe(0);
    expect(tab.text()).not.toContain('npm config set registry');
    await tab.sees('The token is kept in this tab');
    expect(tab.text()).not.toContain('npm config set registry');
    expect(tab.sent.at(-1)).toMatchObject({ authorization: undefined });
  });

  it('lists repositories with the line that sets a client up, their packages, and finds by name', async () => {
    const tab = await openTab(house.url);
    await logIn(tab, admin);
    await tab.sees(`npm config set registry=${house.url}/npm/`);
    await tab.sees('docker login');
    tab.open(tab.find('main a', 'npm').getAttribute('href') ?? '');
    await tab.sees('Packages in npm');
    expect(tab.all('.names a').map((link) => link.textContent)).toEqual(['@acme/tool', 'sound']);
    tab.type('q', 'SOU');
    tab.submit('main form[role=search]');
    await tab.waits(() => tab.all('.names a').length === 1, 'one package');
    expect(tab.all('.names a').map((link) => link.textContent)).toEqual(['sound']);
    tab.open('#/repositories/npm?q=nothing');
    await tab.sees('No package that you may see has “nothing” in its name.');
  });

  it('shows a package: versions, tags, sizes, times, owners by name, what it says of itself', async () => {
    const tab = await openTab(house.url, '#/repositories/npm/sound');
    await logIn(tab, admin);
    await tab.sees('Makes a sound');
    expect(tab.window.document.title).toBe('sound · Entrepot');
    expect(tab.all('tbody th').map((cell) => cell.textContent)).toEqual(['1.1.0', '1.0.0']);
    expect(tab.all('tbody .tag').map((tag) => tag.textContent)).toEqual(['latest']);
    const [time] = tab.all('tbody time');
    expect(time?.textContent).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(time?.getAttribute('title')).not.toBe('');
    expect(tab.text()).toContain('chief');
    const home = tab.find('dd a', 'https://sound.example/');
    expect(home.getAttribute('rel')).toBe('noopener noreferrer nofollow');
    tab.open('#/repositories/npm/sound/history');
    await tab.sees('History of sound');
    expect(tab.text()).toContain('publish');
    expect(tab.all('tbody tr').length).toBeGreaterThan(1);
  });

  it('says in words what is not there', async () => {
    const tab = await openTab(house.url, '#/repositories/npm/absent');
    await logIn(tab, admin);
    await tab.sees('Not found: package absent');
    for (const [hash, words] of [
      ['#/repositories/none', 'Not found'],
      ['#/what', 'There is no such page.'],
      ['#/repositories/npm/%zz', 'There is no such page.'],
      ['#/repositories/%2e%2e', 'There is no such name'],
    ] as const) {
      tab.open(hash);
      await tab.sees(words);
    }
  });

  it('shows the page that the reader went to last, whatever comes late', async () => {
    const tab = await openTab(house.url);
    await logIn(tab, admin);
    await tab.sees('Point the client here');
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    tab.onWay = async (url) => (url.includes('/packages/sound') ? held : undefined);
    tab.open('#/repositories/npm/sound');
    await tab.waits(() => tab.sent.some(({ url }) => url.includes('/packages/sound')), 'the slow request');
    tab.open('#/tokens');
    await tab.sees('A new token');
    release();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(tab.all('h1').map((heading) => heading.textContent)).toEqual(['Tokens']);
    expect(tab.text()).not.toContain('Makes a sound');
  });

  it('says that the registry cannot be reached, and tries again', async () => {
    const tab = await openTab(house.url, '#/repositories/npm');
    await logIn(tab, admin);
    await tab.sees('sound');
    tab.onWay = () => Promise.reject(new TypeError('fetch failed'));
    tab.open('#/repositories/npm/sound');
    await tab.sees('The registry cannot be reached');
    expect(tab.window.sessionStorage.length).toBe(1);
    tab.onWay = async () => undefined;
    tab.press('Try again');
    await tab.sees('Makes a sound');
  });

  it('works where the browser lets pages keep nothing, until the page is left', async () => {
    const tab = await openTab(house.url);
    Object.defineProperty(tab.window, 'sessionStorage', {
      get: () => {
        throw new Error('denied');
      },
    });
    await logIn(tab, admin);
    await tab.sees('Point the client here');
    tab.press('Log out');
    await tab.sees('The token is kept in this tab');
    expect(tab.sent.at(-1)).toMatchObject({ authorization: undefined });
  });

  it('copies a line, and where it may not, selects it for the reader', async () => {
    const tab = await openTab(house.url);
    await logIn(tab, admin);
    await tab.sees('Point the client here');
    const copied: string[] = [];
    const clipboard = { writeText: async (text: string) => void copied.push(text) };
    Object.defineProperty(tab.window.navigator, 'clipboard', { value: clipboard, configurable: true });
    tab.press('Copy the set-up line of npm');
    await tab.sees('Copied');
    expect(copied).toEqual([`npm config set registry=${house.url}/npm/ ${house.url.slice(5)}/npm/:_authToken=$ENTREPOT_TOKEN`]);
    Object.defineProperty(tab.window.navigator, 'clipboard', { value: undefined, configurable: true });
    tab.press('Copy the set-up line of oci');
    await tab.sees('Press Ctrl+C');
    expect(tab.window.getSelection()?.toString()).toContain('docker login');
  });
});
