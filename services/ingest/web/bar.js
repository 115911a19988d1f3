// The bar of the whole table: develop, progress, what can be done with all.

import { announce } from "./announce.js";
import { framed } from "./dom.js";
import { plural, span, workOf } from "./format.js";

export class Bar {
  #said = 0;
  #wasBusy = false;

  /** `actions` are `{develop(), cancel(), retry(), download()}`. */
  constructor(root, photos, chain, actions) {
    Object.assign(this, { photos, chain });
    const part = (name) => root.querySelector(`[data-part=${name}]`);
    this.parts = Object.fromEntries(
      ["develop", "cancel", "retry", "download", "progress", "status", "hint"].map((name) => [name, part(name)]),
    );
    for (const name of ["develop", "cancel", "retry", "download"])
      this.parts[name].addEventListener("click", () => actions[name]());
    this.draw = framed(() => this.#draw());
    for (const type of ["list", "photo"]) photos.addEventListener(type, this.draw);
    chain.addEventListener("change", this.draw);
    this.#draw();
  }

  #draw() {
    const { all } = this.photos;
    const { parts, chain } = this;
    const count = {
      all: all.length,
      done: all.filter((photo) => photo.state === "done").length,
      current: all.filter((photo) => photo.state === "done" && photo.signature === chain.signature).length,
      failed: all.filter((photo) => photo.state === "failed").length,
      busy: all.filter((photo) => photo.isBusy).length,
      due: dueOf(all, chain).length,
    };
    parts.develop.disabled = chain.isEmpty || count.due === 0;
    parts.develop.textContent = developLabel(count);
    parts.hint.textContent = count.all && chain.isEmpty ? "Choose a look or add a filter." : "";
    parts.cancel.hidden = count.busy === 0;
    parts.retry.hidden = count.failed === 0 || count.busy > 0;
    parts.retry.textContent = count.failed > 1 ? `Retry ${count.failed} failed` : "Retry failed";
    parts.download.hidden = count.done === 0 || count.busy > 0;
    parts.download.textContent = count.done > 1 ? `Download ${count.done} as zip` : "Download";
    parts.progress.hidden = count.busy === 0;
    parts.progress.max = Math.max(1, count.all);
    parts.progress.value = count.current + count.failed + all.reduce((sum, photo) => sum + partOf(photo), 0);
    parts.status.textContent = statusOf(count, all);
    document.title = count.busy ? `${count.current}/${count.all} – Darkroom` : "Studio – Darkroom";
    this.#say(count);
  }

  /** Screen readers hear the progress now and then, and the end always. */
  #say({ all, current, failed, busy }) {
    const now = performance.now();
    if (busy && now - this.#said > 5000) {
      if (this.#wasBusy) announce(`${current} of ${all} developed.`);
      this.#said = now;
    } else if (!busy && this.#wasBusy) {
      announce(
        failed ? `${plural(current, "photo")} developed, ${failed} failed.` : `${plural(current, "photo")} developed.`,
      );
    }
    this.#wasBusy = busy > 0;
  }
}

/** The photos that the chain as it is now has not been used on. */
export function dueOf(all, chain) {
  return all.filter(
    (photo) =>
      !photo.isBusy && !((photo.state === "done" || photo.state === "failed") && photo.signature === chain.signature),
  );
}

/** How far a photo on its way has come, 0 to 1. */
function partOf(photo) {
  return { sending: photo.progress * 0.3, queued: 0.3, processing: 0.6 }[photo.state] ?? 0;
}

function developLabel({ all, busy, due, current }) {
  if (due) return all > 1 ? `Develop ${plural(due, "photo")}` : "Develop";
  if (busy) return "Developing…";
  return current ? "All developed" : "Develop";
}

function statusOf({ all: count, current, failed, busy }, all) {
  if (!count) return "No photos yet";
  if (!current && !failed && !busy) return plural(count, "photo");
  const parts = [current === count ? `${plural(count, "photo")} developed` : `${current} of ${count} developed`];
  if (failed) parts.push(`${failed} failed`);
  if (!busy && current)
    parts.push(
      `${span(median(all.filter((photo) => photo.state === "done").map((photo) => workOf(photo.job) ?? 0)))} each`,
    );
  return parts.join(" · ");
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
