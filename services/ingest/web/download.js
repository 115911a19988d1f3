// Saving developed pictures: one as it is, several as one zip.

import { ApiError, problemOf } from "./api.js";
import { h } from "./dom.js";

const EXTENSIONS = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/avif": "avif" };
const ARCHIVES = "/v1/archives";

/** Saves the results of exactly these photos, which are done; raises ApiError when one is gone. */
export async function downloadAll(photos) {
  if (photos.length === 1) await saveOne(photos[0]);
  else await saveArchive(photos.map((photo) => photo.job.id));
}

export function fileName(photo) {
  const stem = photo.name.replace(/\.[^.]*$/, "") || "photo";
  const looks = photo.job.filters.map((filter) => filter.name).join("-");
  return `${stem}${looks && `-${looks}`}.${EXTENSIONS[photo.job.media_type] ?? "bin"}`;
}

async function saveOne(photo) {
  const response = await fetch(photo.job.links.result);
  if (!response.ok) throw new ApiError("expired", photo.name, { status: response.status });
  const address = URL.createObjectURL(await response.blob());
  h("a", { href: address, download: fileName(photo) }).click();
  // The browser reads the address after this turn; a minute is more than it needs.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
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
