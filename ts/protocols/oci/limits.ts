/** Bytes that a blob may have. */
export const MAX_BLOB = 2 ** 40;

/** Bytes that a manifest may have; clients read no more. */
export const MAX_MANIFEST = 4 * 1024 * 1024;
