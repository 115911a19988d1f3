// The contact sheet: a strip or a grid of photos where only the visible tiles exist.

import { framed } from "./dom.js";
import { Tile } from "./tile.js";

const GAP = 8;
const STRIP = { width: 116, height: 87 };
const NARROWEST = 150; // CSS pixels of a tile in the grid
const AHEAD = 2; // rows or columns kept ready beyond the edge

/** A listbox: arrows, Home and End choose a photo, Enter opens it, Delete and Backspace take it off the table. */
export class Sheet {
  #tiles = new Map();
  #render = framed(() => this.#show());

  /** `onOpen()` is called when the selected photo is asked for large, `onRemove(photo)` when one is to go. */
  constructor(root, photos, { onOpen, onRemove }) {
    this.root = root;
    this.space = root.firstElementChild;
    this.photos = photos;
    this.onOpen = onOpen;
    this.onRemove = onRemove;
    root.addEventListener("scroll", this.#render, { passive: true });
    root.addEventListener("keydown", (event) => this.#onKey(event));
    root.addEventListener("click", (event) => this.#onClick(event));
    root.addEventListener("dblclick", onOpen);
    new ResizeObserver(this.#render).observe(root);
    photos.addEventListener("list", this.#render);
    photos.addEventListener("photo", this.#render);
    photos.addEventListener("select", () => {
      this.#scrollToSelected();
      this.#render();
    });
  }

  get #layout() {
    const { clientWidth } = this.root;
    const isStrip = this.root.dataset.layout === "strip";
    const count = this.photos.all.length;
    if (isStrip) return { isStrip, columns: Math.max(1, count), rows: 1, tile: STRIP };
    const columns = Math.max(2, Math.floor((clientWidth - GAP) / (NARROWEST + GAP)));
    const width = Math.floor((clientWidth - GAP) / columns) - GAP;
    return { isStrip, columns, rows: Math.ceil(count / columns), tile: { width, height: Math.round(width * 0.75) } };
  }

  #place(index, { columns, tile }) {
    return {
      x: GAP + (index % columns) * (tile.width + GAP),
      y: GAP + Math.floor(index / columns) * (tile.height + GAP),
      ...tile,
    };
  }

  #visible({ isStrip, columns, tile }) {
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.root;
    const stride = GAP + (isStrip ? tile.width : tile.height);
    const [start, length] = isStrip ? [scrollLeft, clientWidth] : [scrollTop, clientHeight];
    const perLine = isStrip ? 1 : columns;
    const first = Math.max(0, Math.floor(start / stride) - AHEAD) * perLine;
    const last = (Math.ceil((start + length) / stride) + AHEAD) * perLine;
    return [first, Math.min(this.photos.all.length, last)];
  }

  #show() {
    const layout = this.#layout;
    const { all, selected } = this.photos;
    this.space.style.width = layout.isStrip ? `${GAP + layout.columns * (layout.tile.width + GAP)}px` : "100%";
    this.space.style.height = `${GAP + layout.rows * (layout.tile.height + GAP)}px`;
    const [first, last] = this.#visible(layout);
    const wanted = new Set(all.slice(first, last));
    if (selected) wanted.add(selected); // the active descendant must exist
    for (const [photo, tile] of this.#tiles) {
      if (wanted.has(photo)) continue;
      tile.element.remove();
      this.#tiles.delete(photo);
    }
    for (const photo of wanted) {
      const index = all.indexOf(photo);
      if (index >= 0)
        this.#tileOf(photo).show({
          ...this.#place(index, layout),
          index,
          count: all.length,
          isSelected: photo === selected,
        });
    }
    if (selected) this.root.setAttribute("aria-activedescendant", `tile-${selected.id}`);
    else this.root.removeAttribute("aria-activedescendant");
  }

  #tileOf(photo) {
    let tile = this.#tiles.get(photo);
    if (!tile) {
      tile = new Tile(photo);
      this.#tiles.set(photo, tile);
      this.space.append(tile.element);
    }
    return tile;
  }

  #scrollToSelected() {
    const index = this.photos.all.indexOf(this.photos.selected);
    if (index < 0) return;
    const { x, y, width, height } = this.#place(index, this.#layout);
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.root;
    const near = (now, length, start, size) => Math.min(start - GAP, Math.max(now, start + size + GAP - length));
    this.root.scrollTo(near(scrollLeft, clientWidth, x, width), near(scrollTop, clientHeight, y, height));
  }

  #onClick(event) {
    const element = event.target.closest(".tile");
    const photo = this.photos.all.find((one) => element?.id === `tile-${one.id}`);
    if (photo && event.target.closest(".tile-remove")) this.onRemove(photo);
    else if (photo) this.photos.select(photo);
  }

  #onKey(event) {
    const { all, selected } = this.photos;
    const { columns, isStrip } = this.#layout;
    const now = all.indexOf(selected);
    const target = {
      ArrowLeft: now - 1,
      ArrowRight: now + 1,
      ArrowUp: isStrip ? now : now - columns,
      ArrowDown: isStrip ? now : now + columns,
      Home: 0,
      End: all.length - 1,
    }[event.key];
    if (event.key === "Enter" && selected) this.onOpen();
    else if (["Delete", "Backspace"].includes(event.key) && selected) this.onRemove(selected);
    else if (target === undefined) return;
    else if (all[target]) this.photos.select(all[target]);
    event.preventDefault();
  }
}
