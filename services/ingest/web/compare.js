// Before and after on top of each other, with a slider between them and one zoom for both.

import { h } from "./dom.js";
import { Zoom } from "./zoom.js";

/** Builds itself into `stage`; `onScale(percent of the real size, or null)` tells the zoom. */
export class Compare {
  #split = 50;
  #shown = { before: null, after: null };

  constructor(stage, onScale = () => {}) {
    this.stage = stage;
    this.onScale = onScale;
    this.before = h("img", { alt: "", draggable: false });
    this.after = h("img", { alt: "", draggable: false });
    this.afterLayer = h("div", { class: "layer after" }, this.after);
    this.range = h("input", {
      type: "range",
      min: 0,
      max: 100,
      step: 1,
      value: 50,
      class: "split-range",
      "aria-label": "Before and after: share of the picture that shows the original",
    });
    this.handle = h("div", { class: "handle" });
    this.overlay = h(
      "div",
      { class: "split" },
      this.range,
      this.handle,
      h("span", { class: "tag tag-before" }, "Before"),
      h("span", { class: "tag tag-after" }, "After"),
    );
    stage.append(h("div", { class: "layer" }, this.before), this.afterLayer, this.overlay);
    this.zoom = new Zoom(stage, (view) => this.#onZoom(view));
    this.range.addEventListener("input", () => this.#setSplit(Number(this.range.value)));
    this.#dragHandle();
    new ResizeObserver(() => this.zoom.by(1)).observe(stage);
    this.#setSplit(50);
  }

  /**
   * Shows two pictures by address; either may be null. The ones on screen stay until the new ones can be drawn, so that
   * nothing flickers. Resolves to false when the original cannot be drawn by this browser.
   */
  async show({ before, after, name }) {
    const isNewPhoto = before !== this.#shown.before;
    this.#shown = { before, after };
    if (isNewPhoto) this.zoom.to(1);
    if (isNewPhoto || !after) this.#setAfter(null);
    this.stage.toggleAttribute("data-loading", isNewPhoto && before !== null);
    const loading = this.#loadBefore(before);
    await this.#loadAfter(before, after, loading);
    const drawn = await loading;
    if (this.#shown.before !== before || this.#shown.after !== after) return drawn;
    this.before.alt = before ? `Original of ${name}` : "";
    this.after.alt = after ? `${name}, developed` : "";
    this.zoom.by(1);
    return drawn;
  }

  async #loadBefore(before) {
    const isCurrent = () => this.#shown.before === before;
    const drawn = await swap(this.before, before, isCurrent);
    if (isCurrent()) this.stage.removeAttribute("data-loading");
    return drawn;
  }

  async #loadAfter(before, after, loading) {
    if (!after) return;
    const isCurrent = () => this.#shown.after === after && this.#shown.before === before;
    const isDrawn = await swap(this.after, after, isCurrent);
    await loading;
    if (isDrawn && isCurrent()) this.#setAfter(after);
  }

  #setAfter(address) {
    this.stage.toggleAttribute("data-compares", Boolean(address));
    if (!address) this.after.removeAttribute("src");
  }

  #setSplit(percent) {
    this.#split = Math.min(100, Math.max(0, percent));
    this.range.value = this.#split;
    this.range.setAttribute("aria-valuetext", `${Math.round(this.#split)} percent original`);
    this.afterLayer.style.clipPath = `inset(0 0 0 ${this.#split}%)`;
    this.handle.style.left = `${this.#split}%`;
    this.overlay.dataset.edge = this.#split < 8 ? "left" : this.#split > 92 ? "right" : "";
  }

  #dragHandle() {
    this.handle.addEventListener("pointerdown", (event) => {
      this.handle.setPointerCapture(event.pointerId);
      this.range.focus({ preventScroll: true });
      event.preventDefault();
    });
    this.handle.addEventListener("pointermove", (event) => {
      if (!this.handle.hasPointerCapture(event.pointerId)) return;
      const box = this.stage.getBoundingClientRect();
      this.#setSplit(((event.clientX - box.left) / box.width) * 100);
    });
  }

  #onZoom({ scale, x, y }) {
    for (const image of [this.before, this.after]) image.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    const picture = this.#shown.after ? this.after : this.before;
    const real = picture.naturalWidth
      ? Math.min(this.stage.clientWidth / picture.naturalWidth, this.stage.clientHeight / picture.naturalHeight) *
        scale *
        devicePixelRatio
      : null;
    this.stage.toggleAttribute("data-zoomed", scale > 1);
    this.stage.toggleAttribute("data-pixels", real !== null && real >= 3);
    this.onScale(real === null ? null : real * 100);
  }

  /** One pixel of the picture on one pixel of the screen. */
  zoomToPixels() {
    const picture = this.#shown.after ? this.after : this.before;
    const fitted = Math.min(
      this.stage.clientWidth / picture.naturalWidth,
      this.stage.clientHeight / picture.naturalHeight,
    );
    // A picture that is smaller than the stage is enlarged when it is fitted, so its own size is farther out.
    const scale = 1 / fitted / devicePixelRatio;
    this.zoom.to(scale, 0, 0, Math.min(1, scale));
  }
}

async function swap(image, address, isCurrent) {
  if (!address) {
    image.removeAttribute("src");
    return true;
  }
  if (image.getAttribute("src") === address) return true;
  const probe = new Image();
  probe.src = address;
  try {
    await probe.decode();
  } catch {
    if (isCurrent()) image.removeAttribute("src");
    return false;
  }
  if (isCurrent()) image.src = address;
  return true;
}
