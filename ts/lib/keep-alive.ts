/**
 * Our timers do not keep a process alive, because a library must not. Work that somebody waits for must: without this, a process with nothing else to do
 * would end in the middle of a back-off, quietly and with exit code 0.
 */
export async function keepAliveDuring<T>(work: () => Promise<T>): Promise<T> {
  const { port1 } = new MessageChannel();
  // A port that listens is what the event loop waits for.
  port1.onmessage = () => undefined;
  try {
    return await work();
  } finally {
    port1.close();
  }
}
