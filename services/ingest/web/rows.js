// Rows of a table that is drawn again and again: what is still there keeps its elements, and so the focus.

import { h } from "./dom.js";

export class Rows {
  #rows = new Map();

  /** `keyOf(item)` tells rows apart, `make(item)` builds one: `{element, show(item)}`; without `show` it never changes. */
  constructor(body, keyOf, make) {
    Object.assign(this, { body, keyOf, make });
  }

  show(items) {
    if (!this.#rows.size) this.body.replaceChildren();
    const before = this.#rows;
    this.#rows = new Map(
      items.map((item) => {
        const key = this.keyOf(item);
        const row = before.get(key) ?? this.make(item);
        row.show?.(item);
        return [key, row];
      }),
    );
    for (const [key, { element }] of before) {
      if (this.#rows.has(key)) continue;
      handOn(element);
      element.remove();
    }
    let next = this.body.firstElementChild;
    for (const { element } of this.#rows.values()) {
      if (element === next) next = next.nextElementSibling;
      else this.body.insertBefore(element, next);
    }
  }

  /** A line of words instead of rows. */
  say(text) {
    handOn(this.body);
    this.#rows.clear();
    this.body.replaceChildren(h("tr", {}, h("td", { colSpan: 5, class: "note" }, text)));
  }
}

/** What is about to go hands the focus on to the table around it. */
export function handOn(element) {
  if (element.contains(document.activeElement)) element.closest("[tabindex]")?.focus();
}
