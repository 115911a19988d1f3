// The selected photo, large: before and after, its state in words, what can be done with it.

import { Compare } from "./compare.js";
import { framed, h } from "./dom.js";
import { bytes, pixels, span, workOf } from "./format.js";
import { WORDS } from "./tile.js";
import { explain } from "./words.js";

export class Viewer {
  #address = null;
  #addressOf = null;
  #drawable = true;
  #shown = "";

  /** `actions` are `{retry(photo), download(photo), remove(photo)}`. */
  constructor(root, photos, chain, actions) {
    Object.assign(this, { root, photos, chain });
    const part = (name) => root.querySelector(`[data-part=${name}]`);
    this.parts = Object.fromEntries(
      "stage message name facts zoom in out fit pixels download job busy remove"
        .split(" ")
        .map((name) => [name, part(name)]),
    );
    this.actions = actions;
    const { parts } = this;
    this.compare = new Compare(parts.stage, (percent) => {
      parts.zoom.textContent = percent === null ? "" : `${Math.round(percent)} %`;
    });
    parts.in.addEventListener("click", () => this.compare.zoom.by(1.5));
    parts.out.addEventListener("click", () => this.compare.zoom.by(1 / 1.5));
    parts.fit.addEventListener("click", () => this.compare.zoom.to(1));
    parts.pixels.addEventListener("click", () => this.compare.zoomToPixels());
    parts.download.addEventListener("click", () => actions.download(photos.selected));
    parts.remove.addEventListener("click", () => actions.remove(photos.selected));
    root.addEventListener("keydown", (event) => this.#onKey(event));
    const draw = framed(() => this.#draw());
    photos.addEventListener("select", draw);
    photos.addEventListener("photo", (event) => event.detail === photos.selected && draw());
    chain.addEventListener("change", draw);
  }

  #onKey(event) {
    if (event.target.matches("input, select") && event.target.type !== "range") return;
    const act = {
      "+": () => this.compare.zoom.by(1.5),
      "=": () => this.compare.zoom.by(1.5),
      "-": () => this.compare.zoom.by(1 / 1.5),
      0: () => this.compare.zoom.to(1),
      1: () => this.compare.zoomToPixels(),
      Delete: () => this.actions.remove(this.photos.selected),
      Backspace: () => this.actions.remove(this.photos.selected),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  }

  #draw() {
    const photo = this.photos.selected;
    if (!photo) return this.#showPictures(null, null);
    const isDone = photo.state === "done";
    const isStale = isDone && photo.signature !== this.chain.signature;
    // While a new version is on its way the old one stays on screen.
    const hasResult = photo.job?.result && (isDone || photo.isBusy);
    this.#showPictures(
      photo,
      hasResult ? `${photo.job.links.result}?run=${photo.job.run}` : photo.isBusy ? this.lastResult : null,
    );
    this.#showFacts(photo, isDone, isStale);
    this.#showMessage(photo);
  }

  async #showPictures(photo, after) {
    this.lastResult = after;
    const before = photo ? this.#addressFor(photo) : null;
    const shown = `${before} ${after}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    const drawable = await this.compare.show({ before, after, name: photo?.name ?? "" });
    if (shown !== this.#shown) return;
    this.#drawable = drawable;
    if (photo) this.#showMessage(photo);
  }

  #addressFor(photo) {
    if (this.#addressOf === photo) return this.#address;
    if (this.#address?.startsWith("blob:")) URL.revokeObjectURL(this.#address);
    this.#addressOf = photo;
    this.#address = photo.file ? URL.createObjectURL(photo.file) : photo.original;
    return this.#address;
  }

  #showFacts(photo, isDone, isStale) {
    const { parts } = this;
    const { job } = photo;
    parts.name.textContent = photo.name;
    const facts = isDone
      ? [
          pixels(job.width, job.height),
          `${bytes(job.bytes_in ?? photo.size)} → ${bytes(job.bytes_out)}`,
          span(workOf(job)),
          job.cached && "from cache",
          isStale && "made with an earlier chain",
        ]
      : [
          bytes(photo.size),
          photo.state === "sending" ? `sending ${Math.round(photo.progress * 100)} %` : WORDS[photo.state],
        ];
    parts.facts.textContent = facts.filter(Boolean).join(" · ");
    parts.busy.hidden = !photo.isBusy;
    parts.download.hidden = !isDone;
    parts.job.hidden = !job;
    if (job) parts.job.href = `/jobs/${job.id}`;
  }

  #showMessage(photo) {
    const { message } = this.parts;
    message.hidden = true;
    if (photo.state === "failed") {
      const { title, detail, advice } = explain(photo.error);
      const retry = h(
        "button",
        { type: "button", class: "button", on: { click: () => this.actions.retry(photo) } },
        "Try again",
      );
      message.replaceChildren(h("p", { class: "message-title" }, title), h("p", {}, detail), h("p", {}, advice), retry);
      message.hidden = false;
    } else if (!this.#drawable && !(photo.state === "done")) {
      message.replaceChildren(
        h("p", {}, "This browser cannot show this file, but Darkroom may well read it. Develop it to see it."),
      );
      message.hidden = false;
    }
  }
}
