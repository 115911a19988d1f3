// Numbers and times as people read them.

const UNITS = ["B", "KB", "MB", "GB", "TB"];

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const step = count < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** step;
  return `${value >= 100 || step === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[step]}`;
}

/** A span of time given in milliseconds. */
export function span(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  if (ms === 0) return "0 ms";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} min`;
}

/** Milliseconds between two RFC 3339 times, null when one is missing. */
export function between(start, end) {
  return start && end ? Math.max(0, Date.parse(end) - Date.parse(start)) : null;
}

/** Milliseconds of work on a job, without its wait; what was stored already took no work. */
export function workOf(job) {
  return between(job.started ?? job.created, job.finished);
}

export function pixels(width, height) {
  return width && height ? `${width} × ${height}` : "–";
}

/** The time of day, with the date when it was not today. */
export function clock(time) {
  if (!time) return "–";
  const moment = new Date(time);
  const ofDay = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  if (moment.toDateString() === new Date().toDateString()) return moment.toLocaleTimeString([], ofDay);
  return moment.toLocaleString([], { month: "short", day: "numeric", ...ofDay });
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

/** `film_grain` → `Film grain`. */
export function title(name) {
  const words = name.replaceAll(/[_-]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
