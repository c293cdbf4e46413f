import { beforeAll, describe, expect, it } from 'vitest';
import { elementsOf } from '../../../ts/server/ui/elements.js';
import { logIn, openTab, type Served, served, type Tab } from './rig.js';

const MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)</script>';

let house: Served;
let admin: string;
beforeAll(async () => {
  house = await served();
  admin = await house.user('chief', { admin: true });
  const manifest = {
    description: MARKUP,
    homepage: 'javascript:alert(1)',
    repository: { type: 'git', url: 'data:text/html,<script>alert(1)</script>' },
    license: MARKUP,
    author: MARKUP,
    keywords: [MARKUP, '__proto__', 'constructor'],
  };
  await house.publish(admin, 'constructor', '1.0.0', { manifest, readme: MARKUP, tag: 'toString' });
  await house.publish(admin, 'constructor', '1.0.1-toString', { manifest, readme: MARKUP });
});

/** No element of the page is anybody's but ours. */
function mustBeOurs(tab: Tab): void {
  expect(tab.all('img, iframe, object, embed, svg, main script, main style, main link, main base, main meta')).toEqual([]);
  const elements = tab.all('body *');
  expect(elements.flatMap((one) => one.getAttributeNames().filter((name) => /^on|^style$|^src/i.test(name)))).toEqual([]);
  for (const link of tab.all('a')) expect(link.getAttribute('href')).toMatch(/^(?:#\/|https?:\/\/)/);
}

describe('names and texts of strangers', () => {
  it('are text, whatever they look like: package, homepage, readme, tags, keywords', async () => {
    const tab = await openTab(house.url, '#/repositories/npm/constructor');
    await logIn(tab, admin);
    await tab.sees('1.0.1-toString');
    for (const text of [MARKUP, 'javascript:alert(1)', 'data:text/html,<script>alert(1)</script>', '__proto__'])
      expect(tab.text()).toContain(text);
    expect(tab.all('main pre').map((pre) => pre.textContent)).toEqual([MARKUP]);
    mustBeOurs(tab);
    expect(tab.all('dd a')).toEqual([]);
  });

  it('are text in reasons, histories, names of tokens, addresses and questions', async () => {
    const tab = await openTab(house.url, '#/repositories/npm/constructor');
    await logIn(tab, admin);
    await tab.sees('1.0.1-toString');
    tab.press('Yank 1.0.0');
    await tab.sees('Yank 1.0.0 of constructor in npm');
    tab.type('reason', MARKUP);
    tab.submit('dialog form');
    await tab.sees(`yanked or deprecated: ${MARKUP}`);
    mustBeOurs(tab);
    tab.open('#/repositories/npm/constructor/history');
    await tab.sees('History of constructor');
    expect(tab.text()).toContain(MARKUP);
    mustBeOurs(tab);
    tab.open('#/tokens');
    await tab.sees('A new token');
    tab.type('token-name', MARKUP);
    tab.submit();
    await tab.sees('shown this once');
    tab.open('#/repositories');
    tab.open('#/tokens');
    await tab.sees(MARKUP);
    mustBeOurs(tab);
    for (const hash of [
      `#/repositories/npm?q=${encodeURIComponent(MARKUP)}`,
      `#/repositories/${encodeURIComponent(MARKUP)}`,
      `#/repositories/npm/${encodeURIComponent(MARKUP)}`,
    ]) {
      tab.open('#/');
      await tab.sees('Point the client here');
      tab.open(hash);
      await tab.sees('alert(1)');
      mustBeOurs(tab);
    }
  });

  it('cannot become an address or a listener, whatever page forgets to look at it', async () => {
    const { window } = await openTab(house.url);
    const h = elementsOf(window.document as unknown as Document);
    for (const href of [
      'javascript:alert(1)',
      ' javascript:alert(1)',
      'JaVaScRiPt:alert(1)',
      'data:text/html,x',
      '//evil.example',
      '/-/api',
      'vbscript:x',
    ])
      expect(h('a', { href }).hasAttribute('href')).toBe(false);
    for (const href of ['#/tokens', 'https://sound.example/', 'HTTP://sound.example/'])
      expect(h('a', { href }).getAttribute('href')).toBe(href);
    for (const name of ['onclick', 'OnClick', 'style', 'src', 'srcdoc'])
      expect(() => h('a', { [name]: 'alert(1)' })).toThrow(TypeError);
  });

  it('would be seen: the same page with a script in it is found out', async () => {
    const tab = await openTab(house.url);
    await logIn(tab, admin);
    tab.window.document.querySelector('main')?.insertAdjacentHTML('beforeend', MARKUP);
    expect(() => mustBeOurs(tab)).toThrow();
  });
});
