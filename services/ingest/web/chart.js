// Small live charts: the last minutes of one number as a line.

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 32;

/** A line that moves with each value; decorative, the number itself stands beside it in words. */
export class Sparkline {
  #points = [];

  /** `span` is how many ms there are from the left edge to the right one. */
  constructor(span) {
    this.span = span;
    this.element = shape("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      class: "sparkline",
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    });
    this.area = shape("polygon", { class: "sparkline-area" });
    this.line = shape("polyline", { class: "sparkline-line", "vector-effect": "non-scaling-stroke" });
    this.element.append(this.area, this.line);
  }

  /** What the number is now. */
  add(value) {
    this.show([...this.#points, [Date.now(), value]]);
  }

  /** All that is known: `[time in ms, value]`, oldest first. */
  show(points) {
    const now = Date.now();
    this.#points = points.filter(([time]) => time > now - this.span);
    const most = Math.max(1, ...this.#points.map(([, value]) => value));
    const places = this.#points.map(([time, value]) => [
      (WIDTH * (1 - (now - time) / this.span)).toFixed(1),
      (HEIGHT - 2 - (value / most) * (HEIGHT - 5)).toFixed(1),
    ]);
    const line = places.map((place) => place.join(",")).join(" ");
    this.line.setAttribute("points", line);
    this.area.setAttribute("points", `${places[0]?.[0] ?? WIDTH},${HEIGHT} ${line} ${WIDTH},${HEIGHT}`);
  }
}

function shape(name, attributes) {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
