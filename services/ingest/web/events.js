// Live events that survive a lost connection; no change is shown twice.

import { isPassing, knock, unreachable } from "./api.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;

/**
 * Follows a stream of job documents. EventSource resumes by itself (with Last-Event-ID) after a cut. After a refusal it gives
 * up without saying why, so the address is asked once more, plainly: what passes (too much waiting, a service that restarts) is
 * waited out and a new stream, which starts with a snapshot, is opened; what does not is told. Documents that are not newer
 * than what was seen of their job are dropped.
 *
 * `onJob(document)`, `onEnd()` once all jobs are terminal, `onTrouble(error)` when it does not get on and `onTrouble(null)` when
 * it does again, `onRefused(error)` when it never will. Returns a function that stops.
 */
export function follow(url, { onJob, onEnd = () => {}, onTrouble = () => {}, onRefused = onEnd }) {
  const seen = new Map();
  let source = null;
  let timer = 0;
  let wait = FIRST_WAIT;
  let isOver = false;

  function stop() {
    isOver = true;
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
    const mine = new EventSource(url);
    source = mine;
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
    source.onerror = async () => {
      if (source.readyState !== EventSource.CLOSED) {
        onTrouble(unreachable());
        return;
      }
      const error = await refusalOf(url);
      if (isOver || source !== mine) return;
      if (error && !isPassing(error)) {
        stop();
        onRefused(error);
        return;
      }
      if (error) onTrouble(error);
      timer = setTimeout(open, Math.max((error?.retryAfter ?? 0) * 1000, wait * (0.75 + Math.random() / 2)));
      wait = Math.min(wait * 2, LONGEST_WAIT);
    };
  }

  addEventListener("online", reopen);
  open();
  return stop;
}

/** Why a stream was refused; null when it is not any more. */
async function refusalOf(url) {
  try {
    await knock(url);
    return null;
  } catch (error) {
    return error;
  }
}

function isNews(seen, job, version) {
  const before = seen.get(job.id);
  const print = `${job.run} ${job.state} ${job.attempts}`;
  if (before && (before.print === print || version < before.version)) return false;
  seen.set(job.id, { version, print });
  return true;
}

export const isTerminal = (state) => ["done", "failed", "cancelled", "deleted"].includes(state);
