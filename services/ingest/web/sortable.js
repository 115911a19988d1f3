// Moving items of a list by their grip, with the pointer or the arrow keys.

/** `onMove(from, to)` is called once an item was let go at another place, or for each press of an arrow. */
export function sortable(list, onMove) {
  let item = null;
  let from = 0;

  const indexOf = (element) => [...list.children].indexOf(element);

  list.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest(".grip");
    if (!grip || event.button !== 0) return;
    item = grip.closest("li");
    from = indexOf(item);
    item.classList.add("dragging");
    list.setPointerCapture(event.pointerId);
    event.preventDefault();
    grip.focus();
  });

  list.addEventListener("pointermove", (event) => {
    if (!item) return;
    const others = [...list.children].filter((other) => other !== item);
    const after = others.find((other) => {
      const box = other.getBoundingClientRect();
      return event.clientY < box.top + box.height / 2;
    });
    if (after !== item.nextElementSibling) list.insertBefore(item, after ?? null);
  });

  const drop = () => {
    if (!item) return;
    item.classList.remove("dragging");
    const to = indexOf(item);
    item = null;
    if (to !== from) onMove(from, to);
  };
  list.addEventListener("pointerup", drop);
  list.addEventListener("pointercancel", drop);

  list.addEventListener("keydown", (event) => {
    const grip = event.target.closest(".grip");
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!grip || !step) return;
    event.preventDefault();
    const now = indexOf(grip.closest("li"));
    const to = now + step;
    if (to >= 0 && to < list.children.length) onMove(now, to);
  });
}
