import type { Api } from './api.js';
import type { H } from './elements.js';
import type { Place } from './place.js';

/** What a page of the application works with. */
export interface Scene {
  readonly h: H;
  readonly window: Window;
  readonly document: Document;
  readonly api: Api;
  /** Aborted when the reader has gone to another page. */
  readonly signal: AbortSignal;
  readonly loggedIn: boolean;
  /** Goes to a page, and says something there. */
  go(place: Place, message?: string): void;
  /** Shows this page again, with fresh data. */
  refresh(): Promise<void>;
  /** Tells the reader, and who listens to the page, what has happened. */
  say(message: string): void;
  /** Keeps a token that was found good. */
  logIn(token: string): void;
}

/** A page, ready to be shown. */
export interface View {
  /** What it is about: the heading and the window's title. */
  readonly title: string;
  readonly content: readonly Node[];
}
