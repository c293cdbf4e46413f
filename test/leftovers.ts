type Tidy = () => void | Promise<void>;

const each: Tidy[] = [];
const file: Tidy[] = [];

/**
 * Has `tidy` called after each test of every file. For modules that tests share: several files run in one process and such a module is read once there, so
 * a hook that it registers itself would be heard by the first file only.
 */
export function afterEveryTest(tidy: Tidy): void {
  each.push(tidy);
}

/** The same, after all tests of a file. */
export function afterEveryFile(tidy: Tidy): void {
  file.push(tidy);
}

export async function tidyTest(): Promise<void> {
  for (const tidy of each) await tidy();
}

export async function tidyFile(): Promise<void> {
  for (const tidy of file) await tidy();
}
