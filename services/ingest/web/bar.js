// The bar of the whole table: develop, progress, what can be done with all.

import { announce } from "./announce.js";
import { framed } from "./dom.js";
import { between, plural, span } from "./format.js";

export class Bar {
  #said = 0;
  #wasBusy = false;

  /** `actions` are `{develop(), cancel(), retry(), download(), clear()}`. */
  constructor(root, photos, chain, actions) {
    Object.assign(this, { photos, chain });
    const part = (name) => root.querySelector(`[data-part=${name}]`);
    this.parts = Object.fromEntries(["develop", "cancel", "retry", "download", "clear", "progress", "status", "hint"].map((name) => [name, part(name)]));
    for (const name of ["develop", "cancel", "retry", "download", "clear"]) this.parts[name].addEventListener("click", () => actions[name]());
    this.draw = framed(() => this.#draw());
    for (const type of ["list", "photo"]) photos.addEventListener(type, this.draw);
    chain.addEventListener("change", this.draw);
    this.#draw();
  }

  #draw() {
    const { all } = this.photos;
    const { parts, chain } = this;
    const is = (state) => all.filter((photo) => photo.state === state).length;
    const done = is("done");
    const failed = is("failed");
    const busy = all.filter((photo) => photo.isBusy).length;
    const due = dueOf(all, chain).length;
    parts.develop.disabled = chain.isEmpty || due === 0;
    parts.develop.textContent = due || busy || !all.length ? `Develop ${due > 1 || !all.length ? (all.length ? plural(due, "photo") : "") : due ? "photo" : ""}`.trim() : "All developed";
    parts.hint.textContent = hintOf(all, chain);
    parts.cancel.hidden = busy === 0;
    parts.retry.hidden = failed === 0;
    parts.retry.textContent = failed > 1 ? `Retry ${failed} failed` : "Retry failed";
    parts.download.hidden = done === 0;
    parts.download.textContent = done > 1 ? `Download ${done} as zip` : "Download";
    parts.clear.hidden = all.length === 0;
    const started = done + failed + busy;
    parts.progress.hidden = started === 0;
    parts.progress.max = Math.max(1, started);
    parts.progress.value = done + failed + all.reduce((sum, photo) => sum + (photo.state === "sending" ? photo.progress * 0.3 : photo.state === "queued" ? 0.3 : photo.state === "processing" ? 0.6 : 0), 0);
    parts.status.textContent = statusOf({ all, done, failed, busy, started });
    this.#say({ done, failed, busy, started });
  }

  /** Screen readers hear the progress now and then, and the end always. */
  #say({ done, failed, busy, started }) {
    const now = performance.now();
    if (busy && now - this.#said > 5000) {
      if (this.#wasBusy) announce(`${done} of ${started} developed.`);
      this.#said = now;
    } else if (!busy && this.#wasBusy) {
      announce(failed ? `${plural(done, "photo")} developed, ${failed} failed.` : `${plural(done, "photo")} developed.`);
    }
    this.#wasBusy = busy > 0;
  }
}

/** The photos that the chain as it is now has not been used on. */
export function dueOf(all, chain) {
  return all.filter((photo) => !photo.isBusy && !(photo.state === "done" && photo.signature === chain.signature));
}

function hintOf(all, chain) {
  if (!all.length) return "";
  return chain.isEmpty ? "Choose a look or add a filter." : "";
}

function statusOf({ all, done, failed, busy, started }) {
  if (!started) return plural(all.length, "photo");
  const parts = [`${done} of ${started} developed`];
  if (failed) parts.push(`${failed} failed`);
  const took = all.filter((photo) => photo.state === "done").map((photo) => between(photo.job.created, photo.job.finished)).filter((ms) => ms !== null);
  if (took.length && !busy) parts.push(`${span(median(took))} each`);
  return parts.join(" · ");
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
