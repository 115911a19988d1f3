// Dead letters: events that could not be read or that used up their attempts; put back or dropped by hand.

import { toast } from "./announce.js";
import { get, post, remove } from "./api.js";
import { confirmButton } from "./confirm.js";
import { h } from "./dom.js";
import { clock } from "./format.js";
import { Rows } from "./rows.js";
import { inWords } from "./words.js";

const PAGE = 20;

export class DeadLetters {
  #wanted = PAGE;
  #isOffered = true;

  constructor(body, more) {
    this.rows = new Rows(
      body,
      (letter) => letter.id,
      (letter) => ({ element: this.#row(letter) }),
    );
    more.addEventListener("click", () => {
      this.#wanted += PAGE;
      this.refresh();
    });
    this.more = more;
  }

  async refresh() {
    if (!this.#isOffered) return;
    let answer;
    try {
      answer = await get(`/v1/dead-letters?limit=${this.#wanted}`);
    } catch (error) {
      this.#isOffered = error.status !== 404;
      this.rows.say(this.#isOffered ? inWords(error) : "This server does not list them.");
      return;
    }
    this.more.hidden = !answer.next;
    if (answer.dead_letters.length) this.rows.show(answer.dead_letters);
    else this.rows.say("None.");
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
