// A roll: photos that are developed together, sent as one batch and followed by one stream of events.

import { ApiError, get, post, remove } from "./api.js";
import { follow, isTerminal } from "./events.js";
import { rollEvents, uploads } from "./slots.js";
import { token, upload } from "./upload.js";

export class Roll {
  batch = `0-${token()}`;
  #abort = new AbortController();
  #jobs = new Map();
  #early = new Map();
  #before = new Map();
  #left;
  #stop = null;
  #isFollowed = false;
  #settle;

  /** `onTrouble(error)` tells of trouble that will pass, `onTrouble(null)` that it has; `slots` are those for its events. */
  constructor(photos, list, onTrouble, slots = rollEvents) {
    this.photos = photos;
    this.list = list;
    this.onTrouble = onTrouble;
    this.slots = slots;
    this.#left = new Set(list);
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Sends every photo with the chain as it is now. */
  async develop(chain) {
    const { signature } = chain;
    const fields = { ...chain.fields, batch: this.batch, expected: String(this.list.length) };
    for (const photo of this.list) this.photos.update(photo, { state: "sending", progress: 0, error: null, signature });
    await Promise.all(this.list.map((photo) => this.#send(photo, fields)));
  }

  /** The failed jobs again: same job, next run. Photos without a job cannot be in the list. */
  async retry() {
    this.batch = this.list[0].job.batch;
    for (const photo of this.list) {
      this.#jobs.set(photo.job.id, photo);
      this.#before.set(photo.job.id, photo.job.run);
    }
    const answers = await Promise.allSettled(this.list.map((photo) => post(`/v1/jobs/${photo.job.id}/retry`)));
    answers.forEach((answer, index) => {
      if (answer.status === "rejected") this.#fail(this.list[index], answer.reason);
      else this.photos.update(this.list[index], { state: "queued", error: null });
    });
    if (this.#left.size) this.#follow();
  }

  /** Jobs that another visit to this page has sent. */
  watch() {
    this.batch = this.list[0].job.batch;
    for (const photo of this.list) this.#jobs.set(photo.job.id, photo);
    this.#follow();
  }

  async cancel() {
    this.#abort.abort(new ApiError("cancelled", "Cancelled."));
    const live = [...this.#jobs].filter(([, photo]) => this.#left.has(photo));
    for (const photo of this.#left)
      if (!photo.job || !this.#jobs.has(photo.job.id)) this.#finish(photo, { state: "cancelled" });
    // Those already over answer 404 or take a tombstone; either way nothing is left running.
    await Promise.allSettled(live.map(([id]) => remove(`/v1/jobs/${id}`)));
    for (const [, photo] of live) if (this.#left.has(photo)) this.#finish(photo, { state: "cancelled" });
  }

  /** One photo is not wanted any more: its job is called off, now or once its upload has ended. */
  leave(photo) {
    const id = [...this.#jobs].find(([, one]) => one === photo)?.[0];
    if (!this.#left.has(photo)) return;
    this.#finish(photo, { state: "cancelled" });
    // One that is over by now answers 404, which is as good.
    if (id) remove(`/v1/jobs/${id}`).catch(() => {});
  }

  async #send(photo, fields) {
    await uploads.take();
    try {
      this.#abort.signal.throwIfAborted();
      if (!this.#left.has(photo)) return; // it has left while it waited
      const job = await upload(photo, fields, {
        signal: this.#abort.signal,
        onProgress: (progress) => this.photos.update(photo, { progress }),
        onTrouble: this.onTrouble,
      });
      this.#jobs.set(job.id, photo);
      if (!this.#left.has(photo)) {
        await remove(`/v1/jobs/${job.id}`); // cancelled in the very moment of its acceptance
        return;
      }
      this.photos.update(photo, { state: "queued" });
      if (this.#early.has(job.id)) this.#apply(this.#early.get(job.id));
      this.#follow();
    } catch (error) {
      if (this.#abort.signal.aborted) this.#finish(photo, { state: "cancelled" });
      else this.#fail(photo, error);
    } finally {
      uploads.give();
    }
  }

  async #follow() {
    if (this.#isFollowed) return;
    this.#isFollowed = true;
    await this.slots.take();
    // It may be over by the time its turn comes, when it was cancelled.
    if (this.#left.size) this.#listen();
    else this.slots.give();
  }

  #listen() {
    this.#stop = follow(`/v1/events?batch=${this.batch}`, {
      onJob: (job) => job.run > (this.#before.get(job.id) ?? 0) && this.#apply(job),
      onEnd: () => this.#askForRest(),
      onRefused: (error) => this.#askForRest(error),
      onTrouble: this.onTrouble,
    });
  }

  #apply(job) {
    const photo = this.#jobs.get(job.id);
    if (!photo) {
      this.#early.set(job.id, job); // the event overtook the answer to its upload
      return;
    }
    // One that was cancelled here may still be told of as it was a moment before.
    if (!this.#left.has(photo)) return;
    this.photos.apply(photo, job);
    if (isTerminal(job.state)) this.#finish(photo, {});
  }

  /** The stream has ended: what is still open was deleted meanwhile, or its last event was missed. One that was refused is lost. */
  async #askForRest(refusal = null) {
    await Promise.all(
      [...this.#jobs]
        .filter(([, photo]) => this.#left.has(photo))
        .map(async ([id, photo]) => {
          try {
            this.#apply(await get(`/v1/jobs/${id}`));
          } catch (error) {
            this.#fail(photo, error);
          }
        }),
    );
    if (refusal) for (const photo of this.#left) this.#fail(photo, refusal);
    else if (this.#left.size) this.#listen();
  }

  #fail(photo, error) {
    this.#finish(photo, { state: "failed", error: { code: error.code ?? "unreadable", message: error.message } });
  }

  /** Once per photo: what comes later (an upload that notices the cancelling, say) must not touch it again. */
  #finish(photo, change) {
    if (!this.#left.delete(photo)) return;
    this.photos.update(photo, change);
    if (this.#left.size) return;
    if (this.#stop) {
      this.#stop();
      this.slots.give();
    }
    this.onTrouble(null);
    this.#settle();
  }
}
