type Row = Readonly<Record<string, unknown>>;

const cell = (value: unknown): string => {
  if (value === undefined || value === null) return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cell).join(',');
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value).replace(/[\p{Cc}]/gu, '?');
};

/** What commands print: columns for people, JSON (one value a line) for machines. */
export class Output {
  private readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  value(value: unknown, text: string): void {
    this.write(this.json ? JSON.stringify(value) : text);
  }

  record(row: object): void {
    this.write(this.json ? JSON.stringify(row) : Object.values(row).map(cell).join('  '));
  }

  table(rows: readonly object[], about?: object): void {
    if (this.json) {
      this.write(JSON.stringify(about === undefined ? rows : { ...about, rows }));
      return;
    }
    if (about)
      this.write(
        Object.entries(about)
          .map(([name, value]) => `${name}: ${cell(value)}`)
          .join('\n'),
      );
    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const lines = [names, ...rows.map((row) => names.map((name) => cell((row as Row)[name])))];
    const widths = names.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
    if (rows.length === 0) return;
    for (const line of lines)
      this.write(
        line
          .map((text, at) => text.padEnd(widths[at] ?? 0))
          .join('  ')
          .trimEnd(),
      );
  }

  private write(line: string): void {
    process.stdout.write(`${line}\n`);
  }
}
