// One photo on the contact sheet.

import { h, icon } from "./dom.js";
import { span, workOf } from "./format.js";
import { drawCover, thumbnail, thumbnailKey } from "./thumbs.js";

export const WORDS = {
  ready: "not developed yet",
  sending: "sending",
  queued: "waiting",
  processing: "developing",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
};

export class Tile {
  #drawn = null;

  constructor(photo) {
    this.photo = photo;
    this.canvas = h("canvas", { width: 320, height: 240, "aria-hidden": "true" });
    this.badge = h("span", { class: "badge", "aria-hidden": "true" });
    this.name = h("span", { class: "tile-name", "aria-hidden": "true" });
    // For the pointer alone: an option of a listbox holds no buttons, and the keyboard has Delete.
    const remover = h("span", { class: "tile-remove", "aria-hidden": "true", title: `Remove ${photo.name}` });
    remover.append(icon("close"));
    this.element = h(
      "div",
      { class: "tile", id: `tile-${photo.id}`, role: "option" },
      this.canvas,
      this.badge,
      this.name,
      remover,
    );
  }

  /** Moves the tile to its place (CSS pixels) and shows the photo's state. */
  show({ x, y, width, height, index, count, isSelected }) {
    const { photo, element } = this;
    element.style.width = `${width}px`;
    element.style.height = `${height}px`;
    element.style.transform = `translate(${x}px, ${y}px)`;
    element.setAttribute("aria-posinset", index + 1);
    element.setAttribute("aria-setsize", count);
    element.setAttribute("aria-selected", isSelected);
    if (element.dataset.state !== photo.state || photo.state === "done") this.#showState();
    this.#draw();
  }

  #showState() {
    const { photo, element, badge } = this;
    const took = photo.state === "done" ? span(workOf(photo.job)) : "";
    element.dataset.state = photo.state;
    element.setAttribute("aria-label", `${photo.name}, ${WORDS[photo.state]}${took && ` in ${took}`}`);
    element.title = photo.name;
    this.name.textContent = photo.name;
    const sign = { failed: "alert", done: "check", cancelled: "close" }[photo.state];
    const words = photo.state === "ready" ? "" : took || WORDS[photo.state];
    badge.replaceChildren(...[sign && icon(sign), words].filter(Boolean));
  }

  async #draw() {
    const key = thumbnailKey(this.photo);
    if (this.#drawn === key) return;
    this.#drawn = key;
    const bitmap = await thumbnail(this.photo, () => this.element.isConnected && this.#drawn === key);
    if (bitmap === undefined && this.#drawn === key) this.#drawn = null;
    if (!bitmap || this.#drawn !== key) return;
    drawCover(this.canvas, bitmap);
    this.element.classList.add("has-picture");
  }
}
