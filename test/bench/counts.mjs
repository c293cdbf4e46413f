export async function countRows() {}
