export interface PieceSizeOptions {
  /** Bytes that all users together should have in pieces. */
  readonly total: number;
  readonly least: number;
  readonly most: number;
}

/** How large the pieces of streams under way should be: large while they are few, small while they are many. */
export class PieceSize {
  private readonly options: PieceSizeOptions;
  private users = 0;

  constructor(options: PieceSizeOptions) {
    this.options = options;
  }

  /** Counts one more stream until what is returned is called, once or more often. */
  enter(): () => void {
    this.users += 1;
    let inside = true;
    return () => {
      if (inside) this.users -= 1;
      inside = false;
    };
  }

  /** Bytes of the next piece: `most` halved until all fit, but never below `least`. */
  get bytes(): number {
    const { total, least, most } = this.options;
    let bytes = most;
    while (bytes > least && bytes * this.users > total) bytes = Math.max(least, Math.floor(bytes / 2));
    return bytes;
  }
}
