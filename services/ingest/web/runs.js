// What a job went through: its runs and attempts, as its document tells them.

import { bytes, plural, title } from "./format.js";
import { explain, inWords } from "./words.js";

/** When the present run was asked for; for one of a server that told nothing of that, when it began. */
export function askedAt(job) {
  const again = job.earlier.findLast((moment) => moment.state === "queued");
  return again?.at ?? (job.run > 1 ? job.started : job.created);
}

/** `{at, text, trace}` in order: `trace` is the address of the trace of a run before the present one, at its end. */
export function historyOf(job) {
  const runOf = (number) => (job.run > 1 ? ` (run ${number})` : "");
  const second = job.earlier.find((moment) => moment.run === job.run && moment.attempt > 1);
  const attempt = second ? second.attempt - 1 : Math.max(1, job.attempts);
  const filters = job.filters.length ? `, ${plural(job.filters.length, "filter")}` : "";
  const lines = [
    { at: job.created, text: `Uploaded: ${bytes(job.bytes_in)}${filters}` },
    ...job.earlier.map((moment) => ({
      at: moment.at,
      text: `${wordsOf(moment)[0]}${runOf(moment.run)}${wordsOf(moment)[1]}`,
      trace: ["queued", "processing"].includes(moment.state) ? null : moment.trace_url,
    })),
    { at: job.started, text: `Started, attempt ${attempt}${runOf(job.run)}` },
    { at: job.finished, text: `${title(job.state)}${runOf(job.run)}${job.error ? `: ${inWords(job.error)}` : ""}` },
  ];
  return lines.filter(({ at }) => at).sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

/** What a moment is, and what is said behind its run. */
function wordsOf({ state, attempt, code }) {
  const why = code && explain({ code }).title;
  if (state === "queued") return ["Sent again", ""];
  if (state !== "processing") return [title(state), why ? `: ${why}` : ""];
  return [`Started, attempt ${attempt}`, attempt > 1 ? `; the one before: ${why ?? "its worker fell silent"}` : ""];
}
