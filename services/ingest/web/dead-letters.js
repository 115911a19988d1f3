// Dead letters: events that could not be read or that used up their attempts; put back or dropped by hand.

import { toast } from "./announce.js";
import { get, post, remove } from "./api.js";
import { confirmButton } from "./confirm.js";
import { h } from "./dom.js";
import { clock, plural } from "./format.js";
import { Rows } from "./rows.js";
import { inWords } from "./words.js";

const PAGE = 20;
const MOST = 200; // that the server tells at once

export class DeadLetters {
  #wanted = PAGE;
  #isStopped = false;
  #isBusy = false;

  /** `parts` are the elements `{body, more, all, course}`: the rows, the button for more, what is done to all, how far that is. */
  constructor(parts) {
    this.parts = parts;
    this.rows = new Rows(
      parts.body,
      (letter) => letter.id,
      (letter) => ({ element: this.#row(letter) }),
    );
    parts.more.addEventListener("click", () => {
      this.#wanted += PAGE;
      this.refresh();
    });
    parts.all.append(
      confirmButton("Replay all", "Really replay all?", () => this.#toAll("replayAll", "put back")),
      confirmButton("Drop all", "Really drop all?", () => this.#toAll("dropAll", "dropped"), {
        class: "button small quiet",
      }),
    );
    this.stopper = h(
      "button",
      { type: "button", class: "button small", hidden: true, on: { click: () => (this.#isStopped = true) } },
      "Stop",
    );
    parts.all.after(this.stopper);
  }

  async refresh() {
    try {
      const { letters, next } = await this.#read();
      this.parts.more.hidden = !next;
      this.parts.all.hidden = this.#isBusy || letters.length < 2;
      if (letters.length) this.rows.show(letters);
      else this.rows.say("None.");
    } catch (error) {
      this.rows.say(inWords(error));
    }
  }

  /** As many as are wanted, page by page. */
  async #read() {
    const letters = [];
    let next = null;
    do {
      const query = new URLSearchParams({ limit: Math.min(MOST, this.#wanted - letters.length) });
      if (next) query.set("cursor", next);
      const page = await get(`/v1/dead-letters?${query}`);
      letters.push(...page.dead_letters);
      next = page.next;
    } while (next && letters.length < this.#wanted);
    return { letters, next };
  }

  async #toAll(name, words) {
    const { parts } = this;
    this.#isBusy = true;
    this.#isStopped = false;
    parts.all.hidden = true;
    this.stopper.hidden = false;
    this.stopper.focus();
    const tell = (count) => {
      parts.course.textContent = `${count} ${words}…`;
      return !this.#isStopped;
    };
    try {
      const count = await (await import("./all-letters.js"))[name](tell);
      toast(`${plural(count, "dead letter")} ${words}.`);
    } catch (error) {
      toast(inWords(error));
    }
    parts.course.textContent = "";
    if (document.activeElement === this.stopper) parts.body.closest("[tabindex]").focus();
    this.stopper.hidden = true;
    this.#isBusy = false;
    await this.refresh();
  }

  #row(letter) {
    const path = `/v1/dead-letters/${encodeURIComponent(letter.id)}`;
    const name = letter.job_id ?? letter.entry_id;
    return h(
      "tr",
      {},
      h("td", { class: "figure" }, clock(letter.at)),
      h(
        "th",
        { scope: "row" },
        letter.job_id
          ? h("a", { href: `/jobs/${letter.job_id}` }, h("code", {}, letter.job_id))
          : h("code", {}, `${letter.stream} ${letter.entry_id}`),
      ),
      h("td", {}, h("code", {}, letter.code), " ", h("span", { class: "note" }, letter.message ?? "")),
      h("td", { class: "figure" }, letter.attempts ?? "–"),
      h(
        "td",
        { class: "row-actions" },
        h(
          "button",
          {
            type: "button",
            class: "button small",
            "aria-label": `Replay ${name}`,
            on: { click: () => this.#act(post(`${path}/replay`), "Put back on the stream.") },
          },
          "Replay",
        ),
        confirmButton("Drop", "Really drop?", () => this.#act(remove(path), "Dropped."), {
          class: "button small quiet",
        }),
      ),
    );
  }

  async #act(call, words) {
    try {
      await call;
      toast(words);
    } catch (error) {
      toast(inWords(error));
    }
    await this.refresh();
  }
}
