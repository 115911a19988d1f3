// The table survives a reload of the page: the server keeps the pictures, this tab remembers which jobs were on it.

import { get } from "./api.js";
import { framed } from "./dom.js";

const KEY = "table";
const PAGE = 200;

/** Writes down which jobs are on the table, whenever that changes. */
export function keepTable(photos) {
  const save = framed(() => {
    const jobs = photos.all.filter((photo) => photo.job?.batch).map(({ job }) => ({ id: job.id, batch: job.batch }));
    sessionStorage.setItem(KEY, JSON.stringify(jobs));
  });
  for (const type of ["list", "photo"]) photos.addEventListener(type, save);
}

/** The job documents of the table as it was, in order; those that are gone by now are left out. */
export async function recallTable() {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  const batches = [...new Set(kept.map(({ batch }) => batch))];
  const found = new Map();
  for (const batch of batches) for (const job of await jobsOf(batch)) found.set(job.id, job);
  return kept.map(({ id }) => found.get(id)).filter(Boolean);
}

async function jobsOf(batch) {
  const jobs = [];
  let cursor = "";
  do {
    const query = new URLSearchParams({ batch, limit: PAGE, ...(cursor && { cursor }) });
    let page;
    try {
      page = await get(`/v1/jobs?${query}`);
    } catch {
      return jobs; // gone or out of reach: the table starts with what is there
    }
    jobs.push(...page.jobs);
    cursor = page.next;
  } while (cursor);
  return jobs;
}
