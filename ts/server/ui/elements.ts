/** What an element may hold. Text is always a text node: nothing that comes from the registry is ever read as markup. */
export type Child = Node | string | undefined | false;
export type Attribute = string | boolean | undefined | ((event: Event) => void);

/** Makes an element: `h('a', { href: '#/' }, 'Home')`. `on…` attributes are listeners, and can be nothing else. */
export type H = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes?: Readonly<Record<string, Attribute>>,
  ...children: readonly Child[]
) => HTMLElementTagNameMap[K];

/** Another site may be linked to, a script may not. */
const ADDRESS = /^(?:#|https?:\/\/)/i;

function setAttribute(element: HTMLElement, name: string, value: Attribute): void {
  if (value === undefined || value === false) return;
  if (typeof value === 'function') {
    element.addEventListener(name.slice(2), value);
    return;
  }
  if (/^on|^style$|^src/i.test(name)) throw new TypeError(`${name} is set by no page`);
  if (name === 'href' && (value === true || !ADDRESS.test(value))) return;
  element.setAttribute(name, value === true ? '' : value);
}

export const elementsOf =
  (document: Document): H =>
  (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
    element.append(...children.filter((child) => child !== undefined && child !== false));
    return element;
  };
