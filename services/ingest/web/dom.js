// Making elements, without a framework and without inline styles (the Content-Security-Policy forbids them).

/**
 * An element with properties, listeners and children.
 * `on` maps event names to listeners, `data` sets data attributes; other keys are DOM properties where the element
 * has them and attributes where it does not. Null and false children are left out.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (key === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key === "class") element.className = value;
    else if (key in element && key !== "list") element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const PATHS = {
  grip: "M9 6h.01M9 12h.01M9 18h.01M15 6h.01M15 12h.01M15 18h.01",
  close: "M6 6l12 12M18 6 6 18",
  alert: "M12 8v5m0 3.5v.01M12 3 2.5 20h19z",
  check: "M5 12.5 10 17 19 7",
  reset: "M4 5v5h5M4.6 10A8 8 0 1 1 4 14",
};

/** A decorative icon: hidden from screen readers, so the control around it needs words of its own. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS(svg.namespaceURI, "path");
  for (const [key, value] of [
    ["viewBox", "0 0 24 24"],
    ["class", "icon"],
    ["aria-hidden", "true"],
  ])
    svg.setAttribute(key, value);
  path.setAttribute("d", PATHS[name]);
  if (name === "grip") path.setAttribute("stroke-width", "3");
  svg.append(path);
  return svg;
}

/** A button that shows only an icon; `label` is what it says to screen readers and in its tooltip. */
export function iconButton(name, label, onClick, props = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, on: { click: onClick }, ...props },
    icon(name),
  );
}

/** Runs `draw` once in the next frame however often it was asked for. */
export function framed(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}
