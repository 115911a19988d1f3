// The numbers of the queue, its streams and errors, and in one sentence what someone on call must know.

import { Sparkline } from "./chart.js";
import { h } from "./dom.js";
import { plural, span } from "./format.js";
import { explain } from "./words.js";

const OLD = 30_000; // ms after which the oldest waiting image is worth a warning
// Failed jobs of the last minute, and their share of all that ended, that are worth a warning or an alarm.
const FEW = 3;
const MANY = 0.1;
const MOST = 0.5;
// How much a chart shows, in ms: what results has counted, and what only this page has seen.
const COUNTED = 900_000;
const SEEN = 180_000;

const sum = (items, key) => items.reduce((total, item) => total + (item[key] ?? 0), 0);
const uploads = (queue) => queue.streams.filter((stream) => stream.name.startsWith("image.uploaded"));
const oldest = (queue) => Math.max(0, ...queue.streams.map((stream) => stream.oldest_ms ?? 0));
const alive = (queue, service) => queue.workers.filter((worker) => worker.service === service);

/** What is wrong, worst first: `{text, level}`, where the level is bad or warn. */
function troubles(queue) {
  const waiting = sum(uploads(queue), "lag");
  const { done_per_s: done, failed_per_s: failed } = queue.rates;
  const share = failed / (done + failed || 1);
  const isFailing = failed * 60 >= FEW && share >= MANY;
  const found = [
    !alive(queue, "process").length && {
      text: waiting ? `No worker is alive; ${plural(waiting, "image")} waiting` : "No worker is alive",
      level: "bad",
    },
    !alive(queue, "results").length && { text: "No results service is alive", level: "bad" },
    isFailing && {
      text: `${Math.round(share * 100)} % of the last minute's jobs failed`,
      level: share >= MOST ? "bad" : "warn",
    },
    queue.dead_letters && { text: `${plural(queue.dead_letters, "dead letter")} to look at`, level: "warn" },
    oldest(queue) > OLD && { text: `Falling behind: the oldest has waited ${span(oldest(queue))}`, level: "warn" },
  ].filter(Boolean);
  return [...found.filter(({ level }) => level === "bad"), ...found.filter(({ level }) => level !== "bad")];
}

/** How things are, and how bad that is: good, warn or bad. */
export function headline(queue) {
  const found = troubles(queue);
  if (found.length) return { text: found.map(({ text }) => text).join(" · "), level: found[0].level };
  const waiting = sum(uploads(queue), "lag");
  const working = sum(uploads(queue), "pending");
  if (waiting || working)
    return { text: `Working: ${plural(waiting, "image")} waiting, ${working} in work`, level: "good" };
  return { text: "All quiet, nothing is waiting", level: "good" };
}

const TILES = [
  { name: "Waiting", of: (queue) => sum(uploads(queue), "lag"), note: "unread by any worker" },
  { name: "In work", of: (queue) => sum(uploads(queue), "pending"), note: "read, not settled" },
  { name: "Oldest", of: oldest, write: (ms) => (ms ? span(ms) : "–"), note: "age of the oldest entry" },
  { name: "Done", of: (queue) => queue.rates.done_per_s, write: rate, note: "per second; 15 min", past: "done" },
  { name: "Failed", of: (queue) => queue.rates.failed_per_s, write: rate, note: "per second; 15 min", past: "failed" },
  { name: "Workers", of: (queue) => alive(queue, "process").length, note: "of the process service" },
];

function rate(value) {
  return value >= 100 ? Math.round(value).toLocaleString() : value.toFixed(value >= 0.05 ? 1 : 0);
}

/** Rates over the last quarter of an hour, as results has counted them: what is not over yet is told by the rate of now. */
function pastOf({ span_s: seconds, ...counts }, name, now) {
  const spans = counts[name].slice(0, -1);
  const end = Date.now();
  const past = spans.map((count, index) => [end - (spans.length - index) * seconds * 1000, count / seconds]);
  return [...past, [end, now]];
}

export class Numbers {
  constructor(root) {
    this.tiles = TILES.map((tile) => ({ ...tile, value: h("dd", { class: "number" }), chart: new Sparkline(tile.past ? COUNTED : SEEN) }));
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
    for (const { of, write, past, value, chart } of this.tiles) {
      const now = of(queue);
      value.textContent = (write ?? ((count) => count.toLocaleString()))(now);
      if (past) chart.show(pastOf(queue.history, past, now));
      else chart.add(now);
    }
  }
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
