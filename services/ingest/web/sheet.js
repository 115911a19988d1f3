// The contact sheet: a strip or a grid of photos where only the visible tiles exist.

import { framed } from "./dom.js";
import { Tile } from "./tile.js";

const TILE = { width: 116, height: 87, gap: 8 };
const AHEAD = 2; // rows or columns kept ready beyond the edge

/** A listbox: arrows, Home and End choose a photo, Delete takes it off the table. */
export class Sheet {
  #tiles = new Map();
  #render = framed(() => this.#show());

  constructor(root, photos) {
    this.root = root;
    this.space = root.firstElementChild;
    this.photos = photos;
    root.addEventListener("scroll", this.#render, { passive: true });
    root.addEventListener("keydown", (event) => this.#onKey(event));
    root.addEventListener("click", (event) => this.#onClick(event));
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
    const columns = isStrip ? Math.max(1, count) : Math.max(1, Math.floor((clientWidth - TILE.gap) / (TILE.width + TILE.gap)));
    return { isStrip, columns, rows: Math.ceil(count / columns) };
  }

  #place(index, columns) {
    return {
      x: TILE.gap + (index % columns) * (TILE.width + TILE.gap),
      y: TILE.gap + Math.floor(index / columns) * (TILE.height + TILE.gap),
    };
  }

  #visible({ isStrip, columns }) {
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.root;
    const stride = isStrip ? TILE.width + TILE.gap : TILE.height + TILE.gap;
    const [start, length] = isStrip ? [scrollLeft, clientWidth] : [scrollTop, clientHeight];
    const perLine = isStrip ? 1 : columns;
    const first = Math.max(0, Math.floor(start / stride) - AHEAD) * perLine;
    const last = (Math.ceil((start + length) / stride) + AHEAD) * perLine;
    return [first, Math.min(this.photos.all.length, last)];
  }

  #show() {
    const layout = this.#layout;
    const { all, selected } = this.photos;
    this.space.style.width = layout.isStrip ? `${TILE.gap + layout.columns * (TILE.width + TILE.gap)}px` : "100%";
    this.space.style.height = `${TILE.gap + layout.rows * (TILE.height + TILE.gap)}px`;
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
      if (index >= 0) this.#tileOf(photo).show({ ...this.#place(index, layout.columns), index, count: all.length, isSelected: photo === selected });
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
    const { x, y } = this.#place(index, this.#layout.columns);
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.root;
    const near = (now, length, start, size) => Math.min(start - TILE.gap, Math.max(now, start + size + TILE.gap - length));
    this.root.scrollTo(near(scrollLeft, clientWidth, x, TILE.width), near(scrollTop, clientHeight, y, TILE.height));
  }

  #onClick(event) {
    const element = event.target.closest(".tile");
    const photo = this.photos.all.find((one) => element?.id === `tile-${one.id}`);
    if (photo) this.photos.select(photo);
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
    if (event.key === "Delete" && selected) this.photos.remove(selected);
    else if (target === undefined) return;
    else if (all[target]) this.photos.select(all[target]);
    event.preventDefault();
  }
}
