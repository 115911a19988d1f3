// Small live charts: the last minutes of one number as a line.

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 32;
const POINTS = 90;

/** A line that moves with each `add(value)`; decorative, the number itself stands beside it in words. */
export class Sparkline {
  #values = [];

  constructor() {
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

  add(value) {
    this.#values.push(value);
    if (this.#values.length > POINTS) this.#values.shift();
    const most = Math.max(1, ...this.#values);
    const left = WIDTH - (this.#values.length - 1) * (WIDTH / (POINTS - 1));
    const points = this.#values.map((one, index) => {
      const x = left + index * (WIDTH / (POINTS - 1));
      return `${x.toFixed(1)},${(HEIGHT - 2 - (one / most) * (HEIGHT - 5)).toFixed(1)}`;
    });
    this.line.setAttribute("points", points.join(" "));
    this.area.setAttribute("points", `${left.toFixed(1)},${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`);
  }
}

function shape(name, attributes) {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
