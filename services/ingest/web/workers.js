// The workers and what each of their children has in work.

import { h } from "./dom.js";
import { between, plural, span, title } from "./format.js";
import { handOn } from "./rows.js";
import { stateMark } from "./state.js";

/** One worker: a line of work keeps its elements, and so the focus, while its job changes. */
export function workerRow(worker) {
  const state = stateMark(worker.state);
  const rest = h("span", { class: "note" });
  const work = h("td", { class: "work" }, rest);
  const lines = [];
  const show = (now) => {
    state.dataset.state = now.state;
    state.textContent = title(now.state);
    while (lines.length > now.work.length) {
      const { element } = lines.pop();
      handOn(element);
      element.remove();
    }
    while (lines.length < now.work.length) {
      lines.push(workLine());
      rest.before(lines.at(-1).element);
    }
    lines.forEach((line, index) => line.show(now.work[index]));
    rest.textContent = restOf(now.pending, lines.length);
  };
  return {
    element: h("tr", {}, h("th", { scope: "row" }, worker.name), h("td", { class: "service" }, worker.service), h("td", {}, state), work),
    show,
  };
}

function restOf(pending, shown) {
  if (pending > shown) return shown ? `and ${pending - shown} more` : plural(pending, "entry", "entries");
  return shown ? "" : "–";
}

function workLine() {
  const code = h("code");
  const link = h("a", {}, code);
  const what = h("span");
  const how = h("span", { class: "figure" });
  const show = ({ job, since, attempt }) => {
    if (job) {
      link.href = `/jobs/${job}`;
      code.textContent = job;
      if (!link.isConnected) what.replaceChildren(link);
    } else {
      handOn(what);
      what.replaceChildren("somebody else's job");
    }
    const time = since ? span(between(since, new Date().toISOString())) : "next";
    how.textContent = attempt > 1 ? `${time}, attempt ${attempt}` : time;
  };
  return { element: h("div", { class: "work-line" }, what, how), show };
}
