// The numbers of the queue, its workers, streams and errors.

import { Sparkline } from "./chart.js";
import { h } from "./dom.js";
import { between, plural, span, title } from "./format.js";
import { handOn } from "./rows.js";
import { stateMark } from "./state.js";
import { explain } from "./words.js";

const OLD = 30_000; // ms after which the oldest waiting image is worth a warning

const sum = (items, key) => items.reduce((total, item) => total + (item[key] ?? 0), 0);
const uploads = (queue) => queue.streams.filter((stream) => stream.name.startsWith("image.uploaded"));
const oldest = (queue) => Math.max(0, ...queue.streams.map((stream) => stream.oldest_ms ?? 0));
const developers = (queue) => queue.workers.filter((worker) => worker.service === "process");

/** One sentence that says how things are, and how bad that is: good, calm (nothing to do), warn or bad. */
export function headline(queue) {
  const waiting = sum(uploads(queue), "lag");
  const working = sum(uploads(queue), "pending");
  if (!developers(queue).length)
    return {
      text: waiting ? `No worker is alive; ${plural(waiting, "image")} waiting` : "No worker is alive",
      level: "bad",
    };
  if (queue.dead_letters) return { text: `${plural(queue.dead_letters, "dead letter")} to look at`, level: "warn" };
  if (oldest(queue) > OLD)
    return { text: `Falling behind: the oldest has waited ${span(oldest(queue))}`, level: "warn" };
  if (waiting || working)
    return { text: `Working: ${plural(waiting, "image")} waiting, ${working} in work`, level: "good" };
  return { text: "All quiet, nothing is waiting", level: "good" };
}

const TILES = [
  { name: "Waiting", of: (queue) => sum(uploads(queue), "lag"), note: "unread by any worker" },
  { name: "In work", of: (queue) => sum(uploads(queue), "pending"), note: "read, not settled" },
  { name: "Oldest", of: oldest, write: (ms) => (ms ? span(ms) : "–"), note: "age of the oldest entry" },
  { name: "Done", of: (queue) => queue.rates.done_per_s ?? 0, write: rate, note: "per second" },
  { name: "Failed", of: (queue) => queue.rates.failed_per_s ?? 0, write: rate, note: "per second" },
  { name: "Workers", of: (queue) => developers(queue).length, note: "of the process service" },
];

function rate(value) {
  return value >= 100 ? Math.round(value).toLocaleString() : value.toFixed(value >= 0.05 ? 1 : 0);
}

export class Numbers {
  constructor(root) {
    this.tiles = TILES.map((tile) => ({ ...tile, value: h("dd", { class: "number" }), chart: new Sparkline() }));
    root.replaceChildren(
      ...this.tiles.map(({ name, note, value, chart }) =>
        h(
          "div",
          { class: "card number-tile" },
          h("dt", {}, name),
          value,
          h("dd", { class: "note" }, note),
          h("dd", {}, chart.element),
        ),
      ),
    );
  }

  show(queue) {
    for (const { of, write, value, chart } of this.tiles) {
      const now = of(queue);
      value.textContent = (write ?? ((count) => count.toLocaleString()))(now);
      chart.add(now);
    }
  }
}

/** One worker: its link stays the same element while the job changes. */
export function workerRow(worker) {
  const state = stateMark(worker.state);
  const code = h("code");
  const link = h("a", {}, code);
  const job = h("td");
  const since = h("td", { class: "figure" });
  const show = (now) => {
    state.dataset.state = now.state;
    state.textContent = title(now.state);
    since.textContent = now.since ? span(between(now.since, new Date().toISOString())) : "–";
    if (now.job) {
      link.href = `/jobs/${now.job}`;
      code.textContent = now.job;
      if (!link.isConnected) job.replaceChildren(link);
    } else {
      handOn(job);
      job.textContent = "–";
    }
  };
  const cells = [h("th", { scope: "row" }, worker.name), h("td", {}, worker.service), h("td", {}, state), job, since];
  return { element: h("tr", {}, cells), show };
}

export function showStreams(body, streams) {
  body.replaceChildren(
    ...streams.map((stream) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, h("code", {}, stream.name)),
        [stream.length, stream.lag, stream.pending].map((count) =>
          h("td", { class: "figure" }, (count ?? 0).toLocaleString()),
        ),
        h("td", { class: "figure" }, stream.oldest_ms ? span(stream.oldest_ms) : "–"),
      ),
    ),
  );
}

export function showErrors(list, errors) {
  const sorted = Object.entries(errors ?? {})
    .filter(([, count]) => count > 0)
    .sort((a, b) => b[1] - a[1]);
  const most = sorted[0]?.[1] ?? 1;
  list.replaceChildren(
    ...(sorted.length
      ? sorted.map(([code, count]) =>
          h(
            "li",
            {},
            h("span", {}, explain({ code }).title, " ", h("code", {}, code)),
            h("meter", { min: 0, max: most, value: count, "aria-label": `${code}: ${count}` }),
            h("span", { class: "figure" }, count.toLocaleString()),
          ),
        )
      : [h("li", { class: "note" }, "No errors.")]),
  );
}
