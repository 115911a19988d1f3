// The state of a job as a coloured word.

import { h } from "./dom.js";
import { title } from "./format.js";

export function stateMark(state) {
  return h("span", { class: "state", data: { state } }, title(state));
}
