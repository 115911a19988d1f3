// A button for what cannot be taken back: the first press asks, the second does it.

import { h } from "./dom.js";

const WAITS = 4000;

export function confirmButton(label, question, act, props = {}) {
  let timer = 0;
  const calm = () => {
    clearTimeout(timer);
    timer = 0;
    button.textContent = label;
  };
  const press = () => {
    if (timer) {
      calm();
      act();
      return;
    }
    button.textContent = question;
    timer = setTimeout(calm, WAITS);
  };
  const button = h(
    "button",
    { type: "button", class: "button small", ...props, on: { click: press, blur: calm } },
    label,
  );
  return button;
}
