// Sending one picture, patiently: progress, and another try where one can help.

import { problemOf, unreachable } from "./api.js";

const ATTEMPTS = 6;
const LONGEST_PAUSE = 15;

/** A random name for a batch or a request (crypto.randomUUID is missing on plain HTTP beyond loopback). */
export function token() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Posts one image with its fields and resolves to its job `{id, state, links}`. Tries again after a lost connection, 429 and 503,
 * under one idempotency key, so that nothing is developed twice. Raises ApiError, or the signal's reason when aborted.
 */
export async function upload(file, name, fields, { signal, onProgress, onPause }) {
  const key = token();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send(file, name, fields, key, { signal, onProgress });
    } catch (error) {
      signal.throwIfAborted();
      if (attempt >= ATTEMPTS || ![0, 429, 502, 503, 504].includes(error.status)) throw error;
      onPause(error);
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
      else reject(problemOf(request.status, request.responseText, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(signal.reason);
    request.onloadend = () => signal.removeEventListener("abort", abort);
    request.send(form);
  });
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
