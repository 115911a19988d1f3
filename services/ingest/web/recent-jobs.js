// The latest jobs, by state, page by page.

import { get } from "./api.js";
import { chainCode } from "./chain-code.js";
import { h } from "./dom.js";
import { between, clock, span } from "./format.js";
import { askedAt } from "./runs.js";
import { stateMark } from "./state.js";
import { inWords } from "./words.js";

const PAGE = 15;

/** The first page keeps itself fresh; once a person has asked for more, the list stands still. */
export class RecentJobs {
  #next = null;
  #isFirst = true;

  constructor(body, more, state) {
    this.body = body;
    this.more = more;
    this.state = state;
    more.addEventListener("click", () => this.#load(this.#next));
    state.addEventListener("change", () => {
      this.#isFirst = true;
      this.refresh();
    });
  }

  async refresh() {
    // A link that has the focus must not vanish under it.
    if (this.#isFirst && !this.body.contains(document.activeElement)) await this.#load(null);
  }

  async #load(cursor) {
    const query = new URLSearchParams({ limit: PAGE });
    if (this.state.value) query.set("state", this.state.value);
    if (cursor) query.set("cursor", cursor);
    try {
      const { jobs, next } = await get(`/v1/jobs?${query}`);
      this.#isFirst = !cursor;
      this.#next = next;
      this.more.hidden = !next;
      const rows = jobs.map(rowOf);
      if (cursor) this.body.append(...rows);
      else this.body.replaceChildren(...(rows.length ? rows : [line("No jobs here yet.")]));
    } catch (error) {
      this.body.replaceChildren(line(inWords(error)));
    }
  }
}

function rowOf(job) {
  return h(
    "tr",
    {},
    h("td", { class: "figure" }, clock(job.created)),
    h("th", { scope: "row" }, h("a", { href: `/jobs/${job.id}` }, job.name ?? job.id)),
    h("td", {}, stateMark(job.state)),
    h("td", { class: "chain-cell" }, job.filters.length ? chainCode(job) : "–"),
    h("td", { class: "figure" }, span(between(askedAt(job), job.finished))),
  );
}

function line(text) {
  return h("tr", {}, h("td", { colSpan: 5, class: "note" }, text));
}
