import { aborted } from '../storage/body-source.js';

/** Shut, it holds whoever comes until somebody opens it. */
export class Gate {
  private opened: Promise<void> = Promise.resolve();
  private letThrough: (() => void) | undefined;

  get isShut(): boolean {
    return this.letThrough !== undefined;
  }

  shut(): void {
    if (this.isShut) return;
    this.opened = new Promise((resolve) => {
      this.letThrough = resolve;
    });
  }

  open(): void {
    this.letThrough?.();
    this.letThrough = undefined;
  }

  passage(signal?: AbortSignal): Promise<void> {
    if (!signal) return this.opened;
    if (signal.aborted) return Promise.reject(aborted(signal));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(aborted(signal));
      signal.addEventListener('abort', onAbort, { once: true });
      this.opened.then(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }
}
