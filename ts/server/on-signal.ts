/** Hears a signal instead of whoever did so far: while the program is read, its first lines end it. */
export function onSignal(signal: 'SIGTERM' | 'SIGINT', heard: () => void): void {
  process.removeAllListeners(signal);
  process.on(signal, heard);
}
