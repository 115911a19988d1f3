// The page of one job: both pictures, facts, the waterfall of steps, its history.

import { announce, toast } from "./announce.js";
import { get, post, remove } from "./api.js";
import { chainCode } from "./chain-code.js";
import { Chain, stepsOf } from "./chain.js";
import { Compare } from "./compare.js";
import { confirmButton } from "./confirm.js";
import { h } from "./dom.js";
import { follow, isTerminal } from "./events.js";
import { between, bytes, clock, pixels, span, title } from "./format.js";
import { askedAt, historyOf } from "./runs.js";
import { stateMark } from "./state.js";
import { waterfall } from "./waterfall.js";
import { explain, inWords } from "./words.js";

const byId = (id) => document.getElementById(id);
const id = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1));
const address = `/v1/jobs/${encodeURIComponent(id)}`;
const compare = new Compare(byId("stage"));
let stop = null;
let shown = null;

function show(job) {
  if (shown && job.run < shown.run) return;
  const isNewState = shown?.state !== job.state;
  shown = job;
  document.title = `${job.name ?? job.id} – Darkroom`;
  byId("name").textContent = job.name ?? job.id;
  byId("state").replaceChildren(stateMark(job.state));
  byId("facts").replaceChildren(...factsOf(job).flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
  byId("actions").replaceChildren(...actionsOf(job));
  byId("steps").replaceChildren(stepsShown(job));
  byId("history").replaceChildren(
    ...historyOf(job).map(({ at, text, trace }) =>
      h("li", {}, h("time", {}, clock(at)), h("span", {}, text, " ", trace && traceLink(trace))),
    ),
  );
  showError(job.error);
  compare.show({
    before: job.links.original,
    after: job.state === "done" ? `${job.links.result}?run=${job.run}` : null,
    name: job.name ?? "the picture",
  });
  if (isNewState) announce(title(job.state));
}

function stepsShown(job) {
  if (job.started || Object.keys(job.timings ?? {}).length) return waterfall(job);
  return h(
    "p",
    { class: "note" },
    job.cached ? "This very result was stored already, so no pixel was touched." : "Nothing has been done yet.",
  );
}

function factsOf(job) {
  return [
    ["Size", `${pixels(job.width, job.height)}${job.media_type ? `, ${job.media_type}` : ""}`],
    ["Bytes", job.bytes_out ? `${bytes(job.bytes_in)} → ${bytes(job.bytes_out)}` : bytes(job.bytes_in)],
    ["Chain", job.filters.length ? chainCode(job) : "no filters"],
    ["Took", span(between(askedAt(job), job.finished))],
    ["Waited", span(between(askedAt(job), job.started))],
    ["Attempts", `${job.attempts}${job.run > 1 ? `, run ${job.run}` : ""}${job.cached ? ", from cache" : ""}`],
    ["Owner", job.owner],
    ["Batch", h("code", {}, job.batch ?? "–")],
    ["Job", h("code", {}, job.id)],
    ["Trace", traceOf(job)],
  ];
}

function actionsOf(job) {
  const chain = new Chain();
  Object.assign(chain, { steps: stepsOf(job), format: job.output?.format ?? "", quality: job.output?.quality ?? null });
  const live = !isTerminal(job.state);
  return [
    job.state === "done" && h("a", { class: "button primary", href: job.links.result, download: "" }, "Download"),
    job.state === "failed" &&
      h("button", { type: "button", class: "button primary", on: { click: retry } }, "Try again"),
    live && h("button", { type: "button", class: "button", on: { click: () => drop("Cancelled.") } }, "Cancel"),
    h("a", { class: "button", href: chain.url }, "Use this chain"),
    h("a", { class: "button quiet", href: job.links.original, download: "" }, "Original"),
    !live && confirmButton("Delete", "Really delete?", () => drop("Deleted."), { class: "button quiet" }),
  ].filter(Boolean);
}

function showError(error) {
  byId("error").hidden = !error;
  if (!error) return;
  const { title: head, detail, advice } = explain(error);
  byId("error").replaceChildren(h("h2", {}, head), h("p", {}, detail), h("p", {}, advice));
}

/** A link, or how whoever runs this Darkroom gets one. */
function traceOf(job) {
  if (job.trace_url) return traceLink(job.trace_url);
  if (!job.trace_id) return h("span", { class: "note" }, "Not recorded.");
  const hint = " To open it from here, DARKROOM_TRACE_URL must name where traces are shown.";
  return h("span", {}, h("code", {}, job.trace_id), h("span", { class: "note" }, hint));
}

function traceLink(href) {
  return h("a", { href, rel: "noreferrer" }, "open the trace");
}

async function retry() {
  try {
    await post(`${address}/retry`);
    listen();
  } catch (error) {
    toast(inWords(error));
  }
}

async function drop(words) {
  try {
    await remove(address);
    toast(words);
    await load();
  } catch (error) {
    toast(inWords(error));
  }
}

function listen() {
  stop?.();
  stop = follow(`${address}/events`, {
    onJob: show,
    onTrouble: (error) => {
      byId("offline").hidden = !error;
      byId("offline").textContent = error ? `${inWords(error)} Trying again; nothing is lost.` : "";
    },
    onRefused: showMissing,
  });
}

async function load() {
  try {
    const job = await get(address);
    byId("job").hidden = false;
    byId("missing").hidden = true;
    show(job);
    if (!isTerminal(job.state)) listen();
  } catch (error) {
    stop?.();
    showMissing(error);
  }
}

function showMissing(error) {
  const { title: head, detail, advice } = explain(error);
  byId("job").hidden = true;
  byId("missing").hidden = false;
  byId("missing").replaceChildren(
    h("h1", {}, head),
    h("p", {}, detail),
    h("p", {}, advice),
    h("p", {}, h("a", { href: "/" }, "Back to the studio")),
  );
}

for (const [name, act] of [
  ["in", () => compare.zoom.by(1.5)],
  ["out", () => compare.zoom.by(1 / 1.5)],
  ["fit", () => compare.zoom.to(1)],
])
  byId(`zoom-${name}`).addEventListener("click", act);

await load();
document.body.dataset.ready = "yes";
performance.mark("ready");
