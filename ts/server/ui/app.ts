import { Api, ApiError, inWords } from './api.js';
import { elementsOf, type H } from './elements.js';
import { historyPage } from './history-page.js';
import { loginPage } from './login-page.js';
import { packagePage } from './package-page.js';
import { packagesPage } from './packages-page.js';
import { hashOf, type Place, placeOf } from './place.js';
import { repositoriesPage } from './repositories-page.js';
import { Session } from './session.js';
import { tokensPage } from './tokens-page.js';
import type { Scene, View } from './view.js';

/** The browser as far as this page uses it. */
export type Browser = Window & Pick<typeof globalThis, 'fetch' | 'AbortController'>;

async function viewOf(scene: Scene, place: Place): Promise<View> {
  switch (place.page) {
    case 'repositories':
      return repositoriesPage(scene);
    case 'packages':
      return packagesPage(scene, place);
    case 'package':
      return packagePage(scene, place);
    case 'history':
      return historyPage(scene, place);
    case 'tokens':
      return tokensPage(scene);
    case 'login':
      return loginPage(scene, undefined);
    case 'nothing':
      return { title: 'Not found', content: [scene.h('p', {}, 'There is no such page.')] };
  }
}

/** The page: shows what the address bar says, each time anew. */
class App {
  private readonly window: Browser;
  private readonly document: Document;
  private readonly h: H;
  private readonly api: Api;
  private readonly session: Session;
  private readonly main: HTMLElement;
  private readonly status: HTMLElement;
  private readonly menu: HTMLElement;
  private leaving: AbortController;
  /** What is to be said on the page that the reader is being taken to. */
  private announced = '';

  constructor(window: Browser) {
    const { document } = window;
    this.window = window;
    this.document = document;
    this.h = elementsOf(document);
    this.session = new Session(() => window.sessionStorage);
    this.api = new Api({
      fetch: (address, init) => window.fetch(address, init),
      base: new URL('../api/v1/', document.baseURI).href,
      token: () => this.session.token,
    });
    this.leaving = new window.AbortController();
    this.main = document.getElementById('main') ?? document.body;
    this.status = document.getElementById('status') ?? this.h('p');
    this.menu = document.getElementById('menu') ?? this.h('nav');
    window.addEventListener('hashchange', () => {
      this.say(this.announced);
      this.announced = '';
      void this.show(true);
    });
  }

  /** `moved`: the reader came from another page of ours, and is taken to the new heading. */
  async show(moved: boolean): Promise<void> {
    this.leaving.abort();
    this.leaving = new this.window.AbortController();
    const { signal } = this.leaving;
    this.main.setAttribute('aria-busy', 'true');
    const view = await this.viewOrRefusal(placeOf(this.window.location.hash), signal);
    if (signal.aborted) return;
    const { h } = this;
    const heading = h('h1', { tabindex: '-1' }, view.title);
    this.main.replaceChildren(heading, ...view.content);
    this.main.removeAttribute('aria-busy');
    this.document.title = `${view.title} · Entrepot`;
    this.showMenu();
    if (moved) heading.focus();
  }

  private async viewOrRefusal(place: Place, signal: AbortSignal): Promise<View> {
    const scene = this.scene(signal);
    try {
      return await viewOf(scene, place);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        const had = this.session.token !== undefined;
        this.session.end();
        return loginPage(this.scene(signal), had ? 'The token is not valid any more.' : undefined);
      }
      const { h } = this;
      const again = h('button', { type: 'button', onclick: () => void this.show(false) }, 'Try again');
      const problem = h('p', { class: 'problem', role: 'alert' }, inWords(error));
      return { title: titleOf(place), content: [problem, h('p', {}, again)] };
    }
  }

  private scene(signal: AbortSignal): Scene {
    return {
      h: this.h,
      window: this.window,
      document: this.document,
      api: this.api,
      signal,
      loggedIn: this.session.token !== undefined,
      go: (place, message) => this.go(place, message),
      refresh: () => this.show(false),
      say: (message) => this.say(message),
      logIn: (token) => {
        this.session.begin(token);
        const here = placeOf(this.window.location.hash);
        this.go(here.page === 'login' ? { page: 'repositories' } : here, 'You are logged in.');
      },
    };
  }

  private go(place: Place, message = ''): void {
    const { location } = this.window;
    const hash = hashOf(place);
    if (hash === hashOf(placeOf(location.hash))) {
      this.say(message);
      void this.show(true);
    } else {
      this.announced = message;
      location.hash = hash;
    }
  }

  private say(message: string): void {
    this.status.textContent = message;
  }

  private logOut(): void {
    this.session.end();
    // What was shown goes at once, whatever comes of the next request.
    this.main.replaceChildren();
    this.go({ page: 'repositories' }, 'You are logged out.');
  }

  private showMenu(): void {
    const { h } = this;
    const here = placeOf(this.window.location.hash).page;
    const link = (page: 'repositories' | 'tokens' | 'login', text: string): HTMLElement =>
      h('a', { href: hashOf({ page }), 'aria-current': here === page && 'page' }, text);
    const known = [link('tokens', 'Tokens'), h('button', { type: 'button', onclick: () => this.logOut() }, 'Log out')];
    const entries = this.session.token === undefined ? [link('login', 'Log in')] : known;
    this.menu.replaceChildren(link('repositories', 'Repositories'), ...entries);
  }
}

/** What could not be shown, for the heading. */
function titleOf(place: Place): string {
  if (place.page === 'package' || place.page === 'history') return place.name;
  return place.page === 'packages' ? place.repository : 'Entrepot';
}

/** Starts the page in a browser's window. */
export const start = (window: Browser): Promise<void> => new App(window).show(false);
