// The steps of one job as a waterfall, from the job's own times.

import { h } from "./dom.js";
import { between, span, title } from "./format.js";
import { askedAt } from "./runs.js";

// Waiting may last far longer than the work; its bar is cut so that the steps stay visible.
const LONGEST_WAIT = 0.5; // of the rest

/** Rows `{name, length, drawn, idle}` in ms, in order; `drawn` is less than `length` where the bar is cut. */
export function stepsOf(job) {
  const work = Object.entries(job.timings ?? {})
    .flatMap(([name, length]) => (name === "filters" ? filtersOf(job, length) : [{ name, length }]))
    .map((row) => ({ ...row, drawn: row.length }));
  const worked = work.reduce((sum, row) => sum + row.length, 0);
  const ran = between(job.started, job.finished);
  // What is left is the way to the worker's pool and back, and the recording of the result; but `started` is the first
  // start, so after a second one it is what the attempts before the last took. Where no step is told, the process that
  // measures them was killed at work, or the job cancelled: all of it is work.
  const left = ran === null ? 0 : ran - worked;
  const idle = { length: left, drawn: left, idle: true };
  if (left > 0.5 && job.attempts > 1) work.unshift({ name: `lost attempt${job.attempts > 2 ? "s" : ""}`, ...idle });
  else if (left > 0.5 && !work.length) work.push({ name: "work without steps", length: left, drawn: left });
  else if (left > 0.5) work.push({ name: "hand-over", ...idle });
  const waited = between(askedAt(job), job.started);
  if (waited === null) return work;
  const rest = Math.max(1, ran ?? worked, worked);
  return [{ name: "waiting", length: waited, drawn: Math.min(waited, rest * LONGEST_WAIT), idle: true }, ...work];
}

/**
 * Each filter by its name, those of one pass together; all as one where that cannot be told: those of an animation run by turns,
 * once for each frame.
 */
function filtersOf(job, length) {
  const each = [];
  for (const [index, ms] of (job.filter_ms ?? []).entries()) {
    const name = job.filters[index]?.name ?? "filter";
    if (ms === 0 && each.length) each.at(-1).name += ` + ${name}`;
    else each.push({ name, length: ms });
  }
  const between = length - each.reduce((sum, row) => sum + row.length, 0);
  if (!each.length || between < -0.1) return [{ name: "filters", length }];
  // What the chain itself costs is no step of its own.
  each.at(-1).length += Math.max(0, between);
  return each;
}

/** A table with one row per step: readable as numbers, drawn as bars. */
export function waterfall(job) {
  const rows = stepsOf(job);
  const end = Math.max(
    1,
    rows.reduce((sum, row) => sum + row.drawn, 0),
  );
  let at = 0;
  let began = 0;
  const lines = rows.map((row) => {
    const line = rowOf({ ...row, began }, at / end, row.drawn / end);
    at += row.drawn;
    began += row.length;
    return line;
  });
  const all = rows.reduce((sum, row) => sum + row.length, 0);
  return h(
    "table",
    { class: "waterfall" },
    h("thead", {}, h("tr", {}, ["Step", "Course", "Began after", "Took"].map(head))),
    h("tbody", {}, lines),
    h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "In all"), h("td", {}), h("td", {}), h("td", {}, span(all)))),
  );
}

function head(text) {
  return h("th", { scope: "col" }, text);
}

/** `start` and `share` are fractions of the whole course. */
function rowOf({ name, began, length, drawn, idle }, start, share) {
  const bar = h("span", { class: "fall", data: { step: idle ? "idle" : "work", cut: drawn < length ? "yes" : "" } });
  bar.style.left = `${start * 100}%`;
  bar.style.width = `${Math.max(0.4, share * 100)}%`;
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, title(name)),
    h("td", { "aria-hidden": "true" }, h("span", { class: "course" }, bar)),
    h("td", {}, `+${span(began)}`),
    h("td", {}, span(length)),
  );
}
