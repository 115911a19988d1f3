// The photos on the table: the files that were dropped and what became of each.

let nextId = 1;

/**
 * States: ready → sending → queued → processing → done | failed | cancelled. `signature` names the chain that `job` was
 * made with, so that a photo whose chain has changed since can be told from one that is up to date.
 */
class Photo {
  id = `p${nextId++}`;
  state = "ready";
  progress = 0;
  job = null;
  error = null;
  signature = null;

  constructor({ file = null, name, size, original = null }) {
    this.file = file;
    this.name = name;
    this.size = size;
    this.original = original;
  }

  get isBusy() {
    return this.state === "sending" || this.state === "queued" || this.state === "processing";
  }

  /** Whether it is here alone, and lost with this page. */
  get isUnsent() {
    return this.file !== null && (this.state === "sending" || this.job === null);
  }

  /** The key of its original in the store, while a request may name it instead of sending it: for the day (UTC) it came on. */
  get kept() {
    const source = this.job?.source ?? "";
    return source.startsWith(`originals/${new Date().toISOString().slice(0, 10)}/`) ? source : null;
  }

  /** The bytes as they were given: the local file, or the original that the server keeps. */
  async source() {
    if (this.file) return this.file;
    const response = await fetch(this.original);
    if (!response.ok) throw new Error(`The original of ${this.name} is gone.`);
    return response.blob();
  }
}

/** Dispatches `list` when photos come or go, `photo` (detail: the photo) when one changes, `select`. */
export class Photos extends EventTarget {
  all = [];
  selected = null;

  addFiles(files) {
    this.add(files.map((file) => new Photo({ file, name: file.name || "pasted", size: file.size })));
  }

  /** Photos whose files this page never had: jobs that the server still knows. */
  addJobs(jobs, signatureOf) {
    this.add(
      jobs.map((job) => {
        const photo = new Photo({ name: job.name ?? job.id, size: job.bytes_in, original: job.links.original });
        return Object.assign(photo, { job, state: job.state, error: job.error, signature: signatureOf(job) });
      }),
    );
  }

  add(photos) {
    if (!photos.length) return;
    this.all.push(...photos);
    this.dispatchEvent(new Event("list"));
    if (!this.selected) this.select(photos[0]);
  }

  remove(photo) {
    const index = this.all.indexOf(photo);
    if (index < 0) return;
    this.all.splice(index, 1);
    if (this.selected === photo) this.select(this.all[Math.min(index, this.all.length - 1)] ?? null);
    this.dispatchEvent(new Event("list"));
  }

  clear() {
    this.all = [];
    this.select(null);
    this.dispatchEvent(new Event("list"));
  }

  select(photo) {
    if (this.selected === photo) return;
    this.selected = photo;
    this.dispatchEvent(new Event("select"));
  }

  update(photo, change) {
    Object.assign(photo, change);
    this.dispatchEvent(new CustomEvent("photo", { detail: photo }));
  }

  /** Takes over what the server says about a photo's job. */
  apply(photo, job) {
    const older = photo.job && photo.job.id === job.id && job.run < photo.job.run;
    if (!older) this.update(photo, { job, state: job.state, error: job.error });
  }
}
