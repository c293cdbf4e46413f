const MAX_SHOWN = 100;

/** Text from a stranger for a message: quoted, at most 100 characters of it, and in ASCII without what a terminal obeys. */
export function quote(text: string): string {
  const short = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
  return JSON.stringify(short).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
