// Sending one picture, patiently: progress, and another try where one can help.

import { askForKey, isPassing, problemOf, unreachable } from "./api.js";

const IMAGES = "/v1/images";
const GONE = ["source_not_found", "invalid_parameter"];
const LONGEST_PAUSE = 15; // seconds

/** A random name for a batch or a request (crypto.randomUUID is missing on plain HTTP beyond loopback). */
export function token() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Posts one photo with its fields and resolves to its job `{id, state, links}`. An original that the server keeps is named, not
 * sent again: the pixels are the same, and a preview costs no upload. What passes (a lost connection, too much waiting) is tried
 * again until it works or the signal says stop, under one idempotency key, so that nothing is developed twice;
 * `onTrouble(error)` tells of it, `onTrouble(null)` of its end. Raises ApiError, or the signal's reason when aborted.
 */
export async function upload(photo, fields, { signal, onProgress, onTrouble }) {
  let key = token();
  let { kept } = photo;
  let file = kept ? null : await photo.source();
  for (let attempt = 1; ; attempt += 1) {
    try {
      const job = await send(kept ? named(photo.name, kept, fields) : filled(photo.name, file, fields), key, {
        signal,
        onProgress,
      });
      onTrouble(null);
      return job;
    } catch (error) {
      signal.throwIfAborted();
      if (kept && GONE.includes(error.code)) {
        // Midnight has passed, or the store was cleared: another request, with the bytes.
        [key, kept, file] = [token(), null, await photo.source()];
        continue;
      }
      if (!isPassing(error)) throw error;
      onTrouble(error);
      await pause(Math.min(LONGEST_PAUSE, error.retryAfter ?? 2 ** (attempt - 2)) * 1000, signal);
    }
  }
}

function named(name, source, fields) {
  return { address: `${IMAGES}?${new URLSearchParams({ ...fields, source, name })}`, body: null };
}

function filled(name, file, fields) {
  const body = new FormData();
  for (const [field, value] of Object.entries(fields)) body.append(field, value);
  body.append("image", file, name);
  return { address: IMAGES, body };
}

function send({ address, body }, key, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    // fetch cannot tell how much of a body has been sent.
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal.addEventListener("abort", abort, { once: true });
    request.open("POST", address);
    request.setRequestHeader("Idempotency-Key", key);
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText).jobs[0]);
      else {
        if (request.status === 401) askForKey();
        reject(problemOf(request.status, request.responseText, request.getResponseHeader("Retry-After")));
      }
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(signal.reason);
    request.onloadend = () => signal.removeEventListener("abort", abort);
    request.send(body);
  });
}

/** Waits, but not beyond the moment the network is back. */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const settle = () => {
      clearTimeout(timer);
      removeEventListener("online", settle);
      signal.removeEventListener("abort", settle);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(settle, ms);
    addEventListener("online", settle);
    signal.addEventListener("abort", settle);
  });
}
