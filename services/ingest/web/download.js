// Saving developed pictures: one as it is, several as one zip.

import { ApiError } from "./api.js";
import { zip } from "./zip.js";

const EXTENSIONS = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/avif": "avif" };

/** Saves the results of photos that are done; raises ApiError when one is gone. */
export async function downloadAll(photos) {
  if (photos.length === 1) return saveBlob(await resultOf(photos[0]), fileName(photos[0]));
  const archive = await archiveOf(photos);
  if (archive) save(archive, "darkroom.zip");
  else saveBlob(await zip(entries(photos)), "darkroom.zip");
}

export function fileName(photo) {
  const stem = photo.name.replace(/\.[^.]*$/, "") || "photo";
  const looks = photo.job.filters.map((filter) => filter.name).join("-");
  return `${stem}${looks && `-${looks}`}.${EXTENSIONS[photo.job.media_type] ?? "bin"}`;
}

/** The server's own archive, streamed, when these photos are exactly one batch and the server makes archives. */
async function archiveOf(photos) {
  const { batch } = photos[0].job;
  if (!photos.every((photo) => photo.job.batch === batch)) return null;
  const address = `/v1/batches/${batch}/archive`;
  const probe = new AbortController();
  const response = await fetch(address, { signal: probe.signal });
  probe.abort();
  return response.ok ? address : null;
}

async function* entries(photos) {
  const taken = new Set();
  for (const photo of photos) {
    yield { name: unique(fileName(photo), taken), blob: await resultOf(photo), time: new Date(photo.job.finished) };
  }
}

async function resultOf(photo) {
  const response = await fetch(photo.job.links.result);
  if (!response.ok) throw new ApiError("expired", photo.name, { status: response.status });
  return response.blob();
}

function unique(name, taken) {
  let candidate = name;
  for (let count = 2; taken.has(candidate); count += 1) candidate = name.replace(/(\.[^.]*)$/, `-${count}$1`);
  taken.add(candidate);
  return candidate;
}

function saveBlob(blob, name) {
  const address = URL.createObjectURL(blob);
  save(address, name);
  // The browser reads the address after this turn; a minute is more than it needs.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function save(address, name) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}
