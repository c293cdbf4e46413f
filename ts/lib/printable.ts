const STEERS = /[^\P{Cc}\t\n\r]/u;

/** Whether a text has control characters other than tabs and line ends: a terminal that prints it would obey them. */
export const steersTerminal = (text: string): boolean => STEERS.test(text);
