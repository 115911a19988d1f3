// Telling people things: to screen readers at once, on screen when it matters.

import { h, iconButton } from "./dom.js";

const SHOWN_FOR = 7000;

/** Said politely by a screen reader; not shown. */
export function announce(text) {
  const region = document.getElementById("live");
  region.textContent = "";
  // A change in a later frame makes the same text be read again.
  requestAnimationFrame(() => {
    region.textContent = text;
  });
}

/** A message on screen that goes by itself, and stays while it is hovered or focused. */
export function toast(text) {
  const box = h(
    "div",
    { class: "toast" },
    h("p", {}, text),
    iconButton("close", "Close this message", () => box.remove()),
  );
  document.getElementById("toasts").append(box);
  announce(text);
  const leave = () => {
    if (box.matches(":hover, :focus-within")) setTimeout(leave, SHOWN_FOR);
    else box.remove();
  };
  setTimeout(leave, SHOWN_FOR);
}
