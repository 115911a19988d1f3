// A browser opens six connections to one origin over HTTP/1.1. Events hold theirs for long, so all share them by slots:
// two for the events of rolls, one for those of the preview, two for uploads; the sixth stays free for pictures.

export class Slots {
  #free;
  #waiting = [];

  constructor(count) {
    this.#free = count;
  }

  /** Resolves, in the order of asking, once a slot is free; `give` hands it back. */
  take() {
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  give() {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }
}

export const rollEvents = new Slots(2);
export const previewEvents = new Slots(1);
export const uploads = new Slots(2);
