// Zoom and pan of pictures that lie on top of each other in one stage.

const LARGEST = 16;

/**
 * `onChange({scale, x, y})` gets the scale relative to the fitted picture and the shift in CSS pixels from the centre.
 * Wheel, pinch, drag and double-click work on the stage; the methods serve buttons and keys.
 */
export class Zoom {
  scale = 1;
  #x = 0;
  #y = 0;
  #pointers = new Map();

  constructor(stage, onChange) {
    this.stage = stage;
    this.onChange = onChange;
    stage.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.#onDown(event));
    stage.addEventListener("pointermove", (event) => this.#onMove(event));
    for (const type of ["pointerup", "pointercancel"])
      stage.addEventListener(type, (event) => this.#pointers.delete(event.pointerId));
    stage.addEventListener("dblclick", (event) => this.to(this.scale > 1 ? 1 : 3, ...this.#point(event)));
  }

  /** Zooms so that the point (CSS pixels from the centre of the stage) stays where it is; no farther out than `least`. */
  to(scale, pointX = 0, pointY = 0, least = 1) {
    const next = Math.min(LARGEST, Math.max(least, scale));
    const ratio = next / this.scale;
    this.#x = pointX - (pointX - this.#x) * ratio;
    this.#y = pointY - (pointY - this.#y) * ratio;
    this.scale = next;
    this.#settle();
  }

  by(factor) {
    this.to(this.scale * factor);
  }

  #settle() {
    const { clientWidth, clientHeight } = this.stage;
    const reachX = Math.max(0, (clientWidth * (this.scale - 1)) / 2);
    const reachY = Math.max(0, (clientHeight * (this.scale - 1)) / 2);
    this.#x = Math.min(reachX, Math.max(-reachX, this.#x));
    this.#y = Math.min(reachY, Math.max(-reachY, this.#y));
    this.onChange({ scale: this.scale, x: this.#x, y: this.#y });
  }

  #point(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  }

  #onWheel(event) {
    event.preventDefault();
    this.to(this.scale * Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), ...this.#point(event));
  }

  #onDown(event) {
    if (event.target.closest("button, input, a, .handle")) return;
    this.stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, this.#point(event));
  }

  #onMove(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = this.#point(event);
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, now);
    if (other) {
      const reach = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
      this.to((this.scale * reach(now)) / Math.max(1, reach(before)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    } else {
      this.#x += now[0] - before[0];
      this.#y += now[1] - before[1];
      this.#settle();
    }
  }
}
