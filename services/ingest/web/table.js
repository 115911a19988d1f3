// The table: the photos, the sheet and the viewer that show them, the rolls that develop them. Loaded with the first photo.

import { toast } from "./announce.js";
import { Bar, dueOf } from "./bar.js";
import { signatureOf } from "./chain.js";
import { keepTable, recallTable } from "./keep.js";
import { Photos } from "./photos.js";
import { Preview } from "./preview.js";
import { Roll } from "./roll.js";
import { Sheet } from "./sheet.js";
import { Viewer } from "./viewer.js";
import { inWords } from "./words.js";

const byId = (id) => document.getElementById(id);
const troubles = new Map();

/** Shows trouble that will pass in a banner for as long as anyone has it. */
function troubleOf(who) {
  return (error) => {
    if (error) troubles.set(who, error);
    else troubles.delete(who);
    const [first] = troubles.values();
    const text = first ? `${inWords(first)} Trying again; nothing is lost.` : "";
    if (byId("offline").textContent !== text) byId("offline").textContent = text;
    byId("offline").hidden = !first;
  };
}

/** What can be done with photos, and the rolls under way. */
class Lab {
  #rolls = new Set();

  constructor(photos, chain) {
    this.photos = photos;
    this.chain = chain;
    this.preview = new Preview(photos, chain, troubleOf("preview"));
  }

  async run(list, start) {
    const roll = new Roll(this.photos, list, troubleOf(list));
    this.#rolls.add(roll);
    await start(roll);
    await roll.settled;
    this.#rolls.delete(roll);
  }

  async develop(list) {
    if (list.length) await this.run(list, (roll) => roll.develop(this.chain));
  }

  /** Jobs with the chain as it is now run again as they are; the others are sent anew. */
  async retry(list) {
    const again = list.filter((photo) => photo.job?.state === "failed" && photo.signature === this.chain.signature);
    const anew = list.filter((photo) => !again.includes(photo));
    const batches = Map.groupBy(again, (photo) => photo.job.batch);
    await Promise.all([
      ...[...batches.values()].map((some) => this.run(some, (roll) => roll.retry())),
      this.develop(anew),
    ]);
  }

  /** Goes on with jobs that were under way when the page was left. */
  watch() {
    const batches = Map.groupBy(
      this.photos.all.filter((photo) => photo.isBusy),
      (photo) => photo.job.batch,
    );
    for (const list of batches.values()) this.run(list, (roll) => roll.watch());
  }

  async cancel() {
    await Promise.all([this.preview.stop(), ...[...this.#rolls].map((roll) => roll.cancel())]);
  }

  get rolls() {
    return [...this.#rolls, this.preview.roll].filter(Boolean);
  }

  /** Takes a photo off the table; what is under way for it is called off. */
  remove(photo) {
    this.photos.remove(photo);
    for (const roll of this.rolls) roll.leave(photo);
    if (!this.photos.all.length) byId("choose").focus();
  }

  async download(list) {
    const { downloadAll } = await import("./download.js");
    try {
      await downloadAll(list);
    } catch (error) {
      toast(inWords(error));
    }
  }
}

function showGrid(isGrid) {
  document.body.toggleAttribute("data-grid", isGrid);
  byId("sheet").dataset.layout = isGrid ? "grid" : "strip";
  byId("layout").setAttribute("aria-pressed", isGrid);
}

function bindPage(lab, photos) {
  byId("preview").addEventListener("change", (event) => lab.preview.setOn(event.target.checked));
  byId("layout").addEventListener("click", () => showGrid(!document.body.hasAttribute("data-grid")));
  byId("clear").addEventListener("click", async () => {
    await lab.cancel();
    photos.clear();
    byId("choose").focus();
  });
  photos.addEventListener("list", () => {
    document.body.toggleAttribute("data-empty", photos.all.length === 0);
    lab.preview.ask();
  });
  const network = troubleOf("network");
  addEventListener("offline", () => network({ code: "unreachable", message: "This device is offline." }));
  addEventListener("online", () => network(null));
  addEventListener("beforeunload", (event) => {
    if (photos.all.some((photo) => photo.isUnsent)) event.preventDefault();
  });
}

/** Sets the table up, with what was on it before a reload, and resolves to its photos. */
export async function openTable(chain) {
  const photos = new Photos();
  const lab = new Lab(photos, chain);
  lab.preview.setOn(byId("preview").checked);
  const inState = (state) => photos.all.filter((photo) => photo.state === state);
  const remove = (photo) => lab.remove(photo);
  new Sheet(byId("sheet"), photos, { onOpen: () => showGrid(false), onRemove: remove });
  new Viewer(byId("viewer"), photos, chain, {
    retry: (photo) => lab.retry([photo]),
    download: (photo) => lab.download([photo]),
    remove,
  });
  new Bar(byId("bar"), photos, chain, {
    develop: () => lab.develop(dueOf(photos.all, chain)),
    cancel: () => lab.cancel(),
    retry: () => lab.retry(inState("failed")),
    download: () => lab.download(inState("done")),
  });
  bindPage(lab, photos);
  photos.addJobs(await recallTable(), signatureOf);
  keepTable(photos);
  lab.watch();
  return photos;
}
