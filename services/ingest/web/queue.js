// The queue page: how the whole system is doing, for someone on call.

import { ApiError, get } from "./api.js";
import { DeadLetters } from "./dead-letters.js";
import { clock } from "./format.js";
import { headline, Numbers, showErrors, showStreams } from "./overview.js";
import { RecentJobs } from "./recent-jobs.js";
import { Rows } from "./rows.js";
import { inWords } from "./words.js";
import { workerRow } from "./workers.js";

const EVERY = 2000;

const byId = (id) => document.getElementById(id);
const numbers = new Numbers(byId("numbers"));
const workers = new Rows(byId("workers"), (worker) => `${worker.service} ${worker.name}`, workerRow);
const letters = new DeadLetters({
  body: byId("letters"),
  more: byId("letters-more"),
  all: byId("letters-all"),
  course: byId("letters-course"),
});
const jobs = new RecentJobs(byId("jobs"), byId("jobs-more"), byId("jobs-state"));

let seen = null;

function say(text, level) {
  if (byId("headline").textContent !== text) byId("headline").textContent = text;
  byId("headline").dataset.level = level;
  // Someone on call may have this page in the background.
  document.title = `${level === "good" ? "" : "⚠ "}Queue – Darkroom`;
}

async function look() {
  try {
    const queue = await get("/v1/queue");
    seen = new Date().toISOString();
    byId("overview").hidden = false;
    const { text, level } = headline(queue);
    say(text, level);
    numbers.show(queue);
    workers.show(queue.workers);
    showStreams(byId("streams"), queue.streams);
    showErrors(byId("errors"), queue.errors);
    byId("overview").classList.remove("stale");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    byId("overview").classList.add("stale");
    say([troubleOf(error), seen && `what is below is as of ${clock(seen)}`].filter(Boolean).join("; "), "bad");
  }
}

/** The results service tells the numbers: without it there are none, and nobody records what is done. */
function troubleOf(error) {
  if (error.status === 404) return "The results service is missing here";
  if ([502, 503, 504].includes(error.status)) return `The results service does not answer (${error.message})`;
  return inWords(error);
}

async function turn() {
  // A page that nobody looks at asks for nothing.
  if (!document.hidden) await Promise.all([look(), letters.refresh(), jobs.refresh()]);
  setTimeout(turn, EVERY);
}

await turn();
document.body.dataset.ready = "yes";
performance.mark("ready");
