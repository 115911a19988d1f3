// Develops the selected photo by itself while its chain is edited.

import { Roll } from "./roll.js";

const CALM = 220; // ms without a change before a preview is worth a job
const LARGEST = 30_000_000; // bytes; beyond that a preview would not feel live

export class Preview {
  isOn = true;
  #timer = 0;
  #roll = null;

  constructor(photos, chain, onConnection) {
    this.photos = photos;
    this.chain = chain;
    this.onConnection = onConnection;
    photos.addEventListener("select", () => this.ask());
    chain.addEventListener("change", () => this.ask());
  }

  setOn(isOn) {
    this.isOn = isOn;
    if (isOn) this.ask();
  }

  ask() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#start(), CALM);
  }

  /** Gives up the preview under way, when a roll takes its photo. */
  async stop() {
    clearTimeout(this.#timer);
    const roll = this.#roll;
    this.#roll = null;
    await roll?.cancel();
  }

  async #start() {
    const photo = this.photos.selected;
    const { chain } = this;
    if (!this.isOn || !photo || chain.steps.length === 0 || photo.size > LARGEST) return;
    if (photo.signature === chain.signature && photo.state !== "ready" && photo.state !== "cancelled") return;
    if (this.#roll) await this.stop();
    if (photo.isBusy || photo !== this.photos.selected) return;
    const roll = new Roll(this.photos, [photo], { onConnection: this.onConnection });
    this.#roll = roll;
    await roll.develop(chain);
    await roll.settled;
    if (this.#roll === roll) this.#roll = null;
    if (photo.signature !== chain.signature) this.ask();
  }
}
