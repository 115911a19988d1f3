// The queue page: how the whole system is doing, for someone on call.

import { get } from "./api.js";
import { DeadLetters } from "./dead-letters.js";
import { RecentJobs } from "./recent-jobs.js";
import { headline, Numbers, showErrors, showStreams, workerRow } from "./overview.js";
import { Rows } from "./rows.js";

const EVERY = 2000;

const byId = (id) => document.getElementById(id);
const numbers = new Numbers(byId("numbers"));
const workers = new Rows(byId("workers"), (worker) => `${worker.service} ${worker.name}`, workerRow);
const letters = new DeadLetters(byId("letters"), byId("letters-more"));
const jobs = new RecentJobs(byId("jobs"), byId("jobs-more"), byId("jobs-state"));

let isOffered = true;

async function look() {
  if (!isOffered) return;
  try {
    const queue = await get("/v1/queue");
    byId("overview").hidden = false;
    const { text, level } = headline(queue);
    if (byId("headline").textContent !== text) byId("headline").textContent = text;
    byId("headline").dataset.level = level;
    numbers.show(queue);
    workers.show(queue.workers);
    showStreams(byId("streams"), queue.streams);
    showErrors(byId("errors"), queue.errors);
  } catch (error) {
    isOffered = error.status !== 404;
    byId("headline").textContent = isOffered ? error.message : "This server tells no numbers about its queue.";
    byId("headline").dataset.level = isOffered ? "bad" : "calm";
  }
}

async function turn() {
  // A page that nobody looks at asks for nothing.
  if (!document.hidden) await Promise.all([look(), letters.refresh(), jobs.refresh()]);
  setTimeout(turn, EVERY);
}

await turn();
document.body.dataset.ready = "yes";
performance.mark("ready");
