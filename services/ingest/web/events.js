// Live events that survive a lost connection; no change is shown twice.

import { unreachable } from "./api.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;

/**
 * Follows a stream of job documents. EventSource resumes by itself (with Last-Event-ID) after a cut; after an HTTP
 * error it gives up, so a new one is opened then, which starts with a snapshot. Documents that are not newer than what
 * was seen of their job are dropped.
 *
 * `onJob(document)`, `onEnd()` once all jobs are terminal, `onTrouble(error)` when the connection is lost and `onTrouble(null)` when
 * it is back. Returns a function that stops.
 */
export function follow(url, { onJob, onEnd = () => {}, onTrouble = () => {} }) {
  const seen = new Map();
  let source = null;
  let timer = 0;
  let wait = FIRST_WAIT;

  function stop() {
    source?.close();
    clearTimeout(timer);
    removeEventListener("online", reopen);
    onTrouble(null);
  }

  function reopen() {
    source?.close();
    clearTimeout(timer);
    open();
  }

  function open() {
    source = new EventSource(url);
    source.onopen = () => {
      wait = FIRST_WAIT;
      onTrouble(null);
    };
    source.onmessage = (event) => {
      const job = JSON.parse(event.data);
      if (isNews(seen, job, Number(event.lastEventId))) onJob(job);
    };
    source.addEventListener("end", () => {
      stop();
      onEnd();
    });
    source.onerror = () => {
      onTrouble(unreachable());
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, wait * (0.75 + Math.random() / 2));
      wait = Math.min(wait * 2, LONGEST_WAIT);
    };
  }

  addEventListener("online", reopen);
  open();
  return stop;
}

function isNews(seen, job, version) {
  const before = seen.get(job.id);
  const print = `${job.run} ${job.state} ${job.attempts}`;
  if (before && (before.print === print || version < before.version)) return false;
  seen.set(job.id, { version, print });
  return true;
}

export const isTerminal = (state) => ["done", "failed", "cancelled", "deleted"].includes(state);
