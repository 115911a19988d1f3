// Develops the selected photo by itself while its chain is edited.

import { Roll } from "./roll.js";
import { previewEvents } from "./slots.js";

const CALM = 220; // ms without a change before a preview is worth a job
const LARGEST = 30_000_000; // bytes; beyond that a preview would not feel live

export class Preview {
  isOn = true;
  #timer = 0;
  #roll = null;

  constructor(photos, chain, onTrouble) {
    this.photos = photos;
    this.chain = chain;
    this.onTrouble = onTrouble;
    photos.addEventListener("select", () => this.ask());
    photos.addEventListener("photo", (event) => event.detail === photos.selected && !event.detail.isBusy && this.ask());
    chain.addEventListener("change", () => this.ask());
  }

  /** The one under way, if there is one. */
  get roll() {
    return this.#roll;
  }

  setOn(isOn) {
    this.isOn = isOn;
    if (isOn) this.ask();
  }

  ask() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#start(), CALM);
  }

  /** Gives up the preview under way. */
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
    if (photo.signature === chain.signature) return;
    if (this.#roll) await this.stop();
    if (photo.isBusy || photo !== this.photos.selected) return;
    const roll = new Roll(this.photos, [photo], this.onTrouble, previewEvents);
    this.#roll = roll;
    await roll.develop(chain);
    await roll.settled;
    if (this.#roll === roll) this.#roll = null;
  }
}
