// Saving developed pictures: one as it is, several as one zip.

import { get, problemOf } from "./api.js";
import { h } from "./dom.js";

const ARCHIVES = "/v1/archives";

/** Saves the results of exactly these photos, which are done; raises ApiError when one is gone. */
export async function downloadAll(photos) {
  if (photos.length === 1) await saveOne(photos[0]);
  else await saveArchive(photos.map((photo) => photo.job.id));
}

/** Under the name that the server gives it, as in an archive. A refusal would be saved in its place: asked before. */
async function saveOne({ job }) {
  const address = job.links.result;
  const response = await fetch(address, { method: "HEAD" });
  if (!response.ok) await get(address); // raises what it says
  h("a", { href: address, download: "" }).click();
}

/** The browser saves what the server streams, so it may be larger than memory. A refusal would take the place of the page: asked before. */
async function saveArchive(jobs) {
  const probe = new AbortController();
  const body = new URLSearchParams(jobs.map((id) => ["job", id]));
  const response = await fetch(ARCHIVES, { method: "POST", body, signal: probe.signal });
  if (!response.ok) throw problemOf(response.status, await response.text());
  probe.abort();
  const fields = jobs.map((id) => h("input", { type: "hidden", name: "job", value: id }));
  const form = h("form", { method: "post", action: ARCHIVES, hidden: true }, fields);
  document.body.append(form);
  form.submit();
  form.remove();
}
