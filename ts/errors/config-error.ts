export interface ConfigProblem {
  /** Where in the configuration, for example `storage.endpoint` or `--port`. */
  readonly path: string;
  readonly message: string;
}

/** Wrong options: every problem at once, each with its path. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'));
    this.problems = problems;
  }
}
