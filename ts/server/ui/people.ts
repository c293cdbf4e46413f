import type { Person } from './api.js';
import type { H } from './elements.js';

/** Shows users by name, the id in the title; whoever has no name goes by the id. */
export type ShowUser = (id: string) => HTMLElement;

export function userNames(h: H, people: readonly Person[]): ShowUser {
  const names = new Map(people.map(({ id, name }) => [id, name]));
  return (id) => h('span', { title: id }, names.get(id) ?? (id.length > 16 ? `${id.slice(0, 12)}…` : id));
}
