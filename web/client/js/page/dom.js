/** Builds the page from elements and text nodes, never from markup. */

/**
 * @typedef {{on?: Record<string, (event: any) => void>, [name: string]: unknown}} Props
 * @typedef {Node | string | number | null | undefined | false} Child
 */

/**
 * Make one element. `on` holds event listeners; all other props become attributes (true: empty; false or null: absent).
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props | null} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name === "on") listen(element, /** @type {Record<string, EventListener>} */ (value));
    else attribute(element, name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(asNode));
  return element;
}

/** @param {Child} child @returns {Node | string} */
function asNode(child) {
  return child instanceof Node ? child : String(child);
}

/** @param {HTMLElement} element @param {Record<string, EventListener>} listeners */
function listen(element, listeners) {
  for (const [type, listener] of Object.entries(listeners)) element.addEventListener(type, listener);
}

/** Set or remove one attribute, if it differs. ARIA booleans are written as "true" and "false". @param {Element} element @param {string} name @param {unknown} value */
export function attribute(element, name, value) {
  const spoken = name.startsWith("aria-");
  if (value === null || value === undefined || (value === false && !spoken)) element.removeAttribute(name);
  else {
    const wanted = value === true && !spoken ? "" : String(value);
    if (element.getAttribute(name) !== wanted) element.setAttribute(name, wanted);
  }
}

/** Set the text if it differs, so that nothing is announced or repainted again. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Element} element @param {boolean} visible */
export function show(element, visible) {
  attribute(element, "hidden", !visible);
}

/** @param {boolean} off @param {...(HTMLButtonElement | HTMLInputElement)} controls */
export function disable(off, ...controls) {
  for (const control of controls) if (control.disabled !== off) control.disabled = off;
}

/**
 * Keeps the children of `parent` equal to `items`. A row is made once per key, then moved and updated, and closed when its item is gone.
 * @template T
 */
export class Rows {
  /**
   * @param {HTMLElement} parent
   * @param {(item: T) => string} key
   * @param {(item: T) => {root: HTMLElement, update: (item: T) => void, close?: () => void}} make
   */
  constructor(parent, key, make) {
    this.parent = parent;
    this.key = key;
    this.make = make;
    /** @type {Map<string, {root: HTMLElement, update: (item: T) => void, close?: () => void}>} */
    this.rows = new Map();
  }

  /** @param {readonly T[]} items */
  update(items) {
    const wanted = new Set(items.map(this.key));
    for (const [key, row] of this.rows) if (!wanted.has(key)) this.#drop(key, row);
    items.forEach((item, index) => {
      const key = this.key(item);
      const row = this.rows.get(key) ?? this.make(item);
      this.rows.set(key, row);
      row.update(item);
      const there = this.parent.children[index];
      if (there !== row.root) this.parent.insertBefore(row.root, there ?? null);
    });
  }

  /** @param {string} key @param {{root: HTMLElement, close?: () => void}} row */
  #drop(key, row) {
    row.close?.();
    row.root.remove();
    this.rows.delete(key);
  }

  close() {
    for (const [key, row] of this.rows) this.#drop(key, row);
  }
}

/** A link inside the site; main.js turns a click on it into a change of route. @param {string} href @param {Props} props @param {...Child} children */
export function link(href, props, ...children) {
  return h("a", { href, ...props }, ...children);
}
