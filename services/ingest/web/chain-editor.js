// The list of filters: add, order, adjust, remove.

import { announce } from "./announce.js";
import { parameterControl } from "./control.js";
import { h, icon, iconButton } from "./dom.js";
import { title } from "./format.js";
import { sortable } from "./sortable.js";

export class ChainEditor {
  constructor({ list, menu, adder, chain, catalogue }) {
    Object.assign(this, { list, menu, chain, catalogue });
    this.adder = adder;
    menu.append(...[...catalogue.values()].map((filter) => this.#menuItem(filter)));
    chain.addEventListener("change", (event) => event.detail.structure && this.#draw());
    sortable(list, (from, to) => this.#move(from, to));
    this.#draw();
  }

  #menuItem(filter) {
    const add = () => {
      this.menu.closest("[popover]").hidePopover();
      this.#add(filter);
    };
    return h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "menu-item", on: { click: add } },
        h("strong", {}, title(filter.name)),
        h("span", {}, filter.summary),
      ),
    );
  }

  #add(filter) {
    const initial = filter.parameters.filter((parameter) => parameter.initial !== undefined);
    this.chain.add(filter.name, Object.fromEntries(initial.map((parameter) => [parameter.key, parameter.initial])));
    announce(`${title(filter.name)} added as step ${this.chain.steps.length}.`);
    const card = this.list.lastElementChild;
    card.scrollIntoView({ block: "nearest" });
    (card.querySelector("input, select") ?? card.querySelector("button")).focus({ preventScroll: true });
  }

  #move(from, to) {
    const { name } = this.chain.steps[from];
    this.chain.move(from, to);
    announce(`${title(name)} is now step ${to + 1} of ${this.chain.steps.length}.`);
    this.list.children[to].querySelector(".grip").focus();
  }

  #remove(index) {
    announce(`${title(this.chain.steps[index].name)} removed.`);
    this.chain.removeAt(index);
    const next = this.list.children[Math.min(index, this.list.children.length - 1)];
    (next?.querySelector(".grip") ?? this.adder).focus();
  }

  #draw() {
    this.list.replaceChildren(...this.chain.steps.map((step, index) => this.#card(step, index)));
    this.list.hidden = this.chain.steps.length === 0;
  }

  #card(step, index) {
    const filter = this.catalogue.get(step.name);
    const words = title(step.name);
    const grip = h(
      "button",
      {
        type: "button",
        class: "grip",
        title: "Drag, or use the arrow keys, to move",
        "aria-label": `Move ${words}, step ${index + 1} of ${this.chain.steps.length}: arrow up, arrow down`,
      },
      icon("grip"),
    );
    const controls = filter
      ? filter.parameters.map((parameter) =>
          parameterControl(parameter, step.parameters[parameter.key], (value) =>
            this.chain.set(step, parameter.key, value),
          ),
        )
      : [h("p", { class: "warning" }, "The workers do not have this filter. Remove it to develop.")];
    return h(
      "li",
      { class: "step" },
      h(
        "div",
        { class: "step-head" },
        grip,
        h("h3", { title: filter?.summary ?? "" }, words),
        iconButton("close", `Remove ${words}`, () => this.#remove(index)),
      ),
      controls.length ? h("div", { class: "step-controls" }, controls) : null,
    );
  }
}
