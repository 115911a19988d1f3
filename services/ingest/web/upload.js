// Sending one picture, patiently: progress, and another try where one can help.

import { askForKey, problemOf, unreachable } from "./api.js";

const PASSING = new Set([0, 429, 502, 503, 504]);
const LONGEST_PAUSE = 15; // seconds

/** A random name for a batch or a request (crypto.randomUUID is missing on plain HTTP beyond loopback). */
export function token() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Posts one image with its fields and resolves to its job `{id, state, links}`. What passes (a lost connection, too much waiting)
 * is tried again until it works or the signal says stop, under one idempotency key, so that nothing is developed twice;
 * `onTrouble(error)` tells of it, `onTrouble(null)` of its end. Raises ApiError, or the signal's reason when aborted.
 */
export async function upload(file, name, fields, { signal, onProgress, onTrouble }) {
  const key = token();
  for (let attempt = 1; ; attempt += 1) {
    try {
      const job = await send(file, name, fields, key, { signal, onProgress });
      onTrouble(null);
      return job;
    } catch (error) {
      signal.throwIfAborted();
      if (!PASSING.has(error.status)) throw error;
      onTrouble(error);
      await pause(Math.min(LONGEST_PAUSE, error.retryAfter ?? 2 ** (attempt - 2)) * 1000, signal);
    }
  }
}

function send(file, name, fields, key, { signal, onProgress }) {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, value);
  form.append("image", file, name);
  return new Promise((resolve, reject) => {
    // fetch cannot tell how much of a body has been sent.
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal.addEventListener("abort", abort, { once: true });
    request.open("POST", "/v1/images");
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
    request.send(form);
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
