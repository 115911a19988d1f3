// The chain of filters and the output it ends in: one model that the editor, the URL and the uploads share.

/**
 * Reads the short form `sepia,blur:size=9` into `[{name, parameters}]`. Numbers, true, false and null are read as JSON reads
 * them, anything else as text. What is not of that form is left out: an old link should still open.
 */
export function parseShort(text) {
  return text.split(",").flatMap((part) => {
    const [name, ...assignments] = part.trim().split(":");
    if (!/^[a-z][a-z0-9_]*$/.test(name)) return [];
    const pairs = assignments.map((assignment) => assignment.split("=")).filter((pair) => pair.length === 2 && pair[0]);
    return [{ name, parameters: Object.fromEntries(pairs.map(([key, value]) => [key.trim(), read(value.trim())])) }];
  });
}

function read(value) {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

export function writeShort(steps) {
  return steps
    .map(({ name, parameters }) =>
      [
        name,
        ...Object.entries(parameters).map(
          ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
        ),
      ].join(":"),
    )
    .join(",");
}

/** The signature of the chain that a job was made with. */
export function signatureOf(job) {
  return signature(stepsOf(job), job.output?.format ?? "", job.output?.quality ?? null);
}

export function stepsOf(job) {
  return job.filters.map(({ name, ...parameters }) => ({ name, parameters }));
}

function signature(steps, format, quality) {
  return `${writeShort(steps)}|${format}|${quality ?? ""}`;
}

/**
 * Steps in order, each `{name, parameters}` where parameters holds only what differs from the default, and the output.
 * Dispatches `change`; its `detail.structure` says whether steps came, went or moved (and not only a value).
 */
export class Chain extends EventTarget {
  steps = [];
  format = "";
  quality = null;

  add(name, parameters = {}) {
    this.steps.push({ name, parameters });
    this.#tell(true);
  }

  removeAt(index) {
    this.steps.splice(index, 1);
    this.#tell(true);
  }

  move(from, to) {
    if (from === to || to < 0 || to >= this.steps.length) return;
    this.steps.splice(to, 0, ...this.steps.splice(from, 1));
    this.#tell(true);
  }

  /** Sets a parameter; undefined means the default. */
  set(step, key, value) {
    if (value === undefined) delete step.parameters[key];
    else step.parameters[key] = value;
    this.#tell(false);
  }

  replace(steps) {
    this.steps = steps;
    this.#tell(true);
  }

  setOutput(format, quality) {
    this.format = format;
    this.quality = quality;
    this.#tell(false);
  }

  get isEmpty() {
    return this.steps.length === 0 && !this.format && this.quality === null;
  }

  /** Equal for two chains that make the same picture. */
  get signature() {
    return signature(this.steps, this.format, this.quality);
  }

  /** The form fields of an upload. */
  get fields() {
    const fields = { filters: JSON.stringify(this.steps.map(({ name, parameters }) => ({ name, ...parameters }))) };
    if (this.format) fields.format = this.format;
    if (this.quality !== null) fields.quality = String(this.quality);
    return fields;
  }

  /** Takes the chain from a query such as `?chain=sepia,blur:size=9&format=webp&quality=80`. */
  readUrl(search) {
    const query = new URLSearchParams(search);
    this.steps = parseShort(query.get("chain") ?? "");
    this.format = ["jpeg", "png", "webp", "avif"].includes(query.get("format")) ? query.get("format") : "";
    const quality = Number.parseInt(query.get("quality") ?? "", 10);
    this.quality = quality >= 1 && quality <= 100 ? quality : null;
    this.#tell(true);
  }

  get url() {
    const parts = [];
    // Commas, colons and equals signs may stand in a query as they are, and a link that can be read is a better link.
    if (this.steps.length)
      parts.push(
        `chain=${encodeURIComponent(writeShort(this.steps)).replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%3D", "=")}`,
      );
    if (this.format) parts.push(`format=${this.format}`);
    if (this.quality !== null) parts.push(`quality=${this.quality}`);
    return parts.length ? `/?${parts.join("&")}` : "/";
  }

  #tell(structure) {
    this.dispatchEvent(new CustomEvent("change", { detail: { structure } }));
  }
}
