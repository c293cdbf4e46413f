import { readFile } from 'node:fs/promises';
import { RenderedDocument } from '../http/rendered-document.js';
import { utf8 } from '../lib/bytes.js';
import type { Content } from '../lib/content.js';
import { SCRIPTS, shell, style } from './ui-shell.js';

const SCRIPT = 'text/javascript; charset=utf-8';
const KNOWN: ReadonlySet<string> = new Set(SCRIPTS);
const BUILT = new URL('./ui/', import.meta.url);

/** The files of the web page, each read when it is first asked for. */
export class UiFiles {
  private readonly folder: URL;
  private readonly made = new Map<string, Promise<Content>>();

  /** @param folder where the compiled scripts lie. Default: beside this module */
  constructor(folder: URL = BUILT) {
    this.folder = folder;
  }

  /** The page itself is the empty name. Undefined: there is no such file. */
  async file(name: string): Promise<Content | undefined> {
    if (name !== '' && name !== 'style.css' && !KNOWN.has(name)) return undefined;
    let pending = this.made.get(name);
    if (!pending) {
      pending = this.make(name);
      pending.catch(() => this.made.delete(name));
      this.made.set(name, pending);
    }
    return pending;
  }

  private async make(name: string): Promise<Content> {
    if (name === '') return new RenderedDocument(utf8(shell()), 'text/html; charset=utf-8');
    if (name === 'style.css') return new RenderedDocument(utf8(style), 'text/css; charset=utf-8');
    return new RenderedDocument(await readFile(new URL(name, this.folder)), SCRIPT);
  }
}
