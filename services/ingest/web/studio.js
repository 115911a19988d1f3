// The studio page: puts the parts together.

import { get } from "./api.js";
import { announce, toast } from "./announce.js";
import { Bar, dueOf } from "./bar.js";
import { loadCatalogue } from "./catalogue.js";
import { Chain, signatureOf } from "./chain.js";
import { ChainEditor } from "./chain-editor.js";
import { plural } from "./format.js";
import { listenForFiles } from "./intake.js";
import { keepTable, recallTable } from "./keep.js";
import { bindOutput, showPresets } from "./looks.js";
import { Photos } from "./photos.js";
import { Preview } from "./preview.js";
import { Roll } from "./roll.js";
import { Sheet } from "./sheet.js";
import { Viewer } from "./viewer.js";
import { inWords } from "./words.js";

const byId = (id) => document.getElementById(id);
const photos = new Photos();
const chain = new Chain();
const rolls = new Set();
const troubles = new Map();

chain.readUrl(location.search);
chain.addEventListener("change", () => history.replaceState(null, "", chain.url));
addEventListener("popstate", () => chain.readUrl(location.search));

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

const preview = new Preview(photos, chain, troubleOf("preview"));
byId("preview").addEventListener("change", (event) => preview.setOn(event.target.checked));

async function run(list, start) {
  const roll = new Roll(photos, list, troubleOf(list));
  rolls.add(roll);
  await start(roll);
  await roll.settled;
  rolls.delete(roll);
}

async function develop(list) {
  if (list.length) await run(list, (roll) => roll.develop(chain));
}

/** Jobs with the chain as it is now run again as they are; the others are sent anew. */
async function retry(list) {
  const again = list.filter((photo) => photo.job && photo.job.state === "failed" && photo.signature === chain.signature);
  const batches = Map.groupBy(again, (photo) => photo.job.batch);
  const anew = list.filter((photo) => !again.includes(photo));
  await Promise.all([...[...batches.values()].map((some) => run(some, (roll) => roll.retry())), develop(anew)]);
}

async function download(list) {
  const { downloadAll } = await import("./download.js");
  try {
    await downloadAll(list);
  } catch (error) {
    toast(inWords(error));
  }
}

const actions = {
  develop: () => develop(dueOf(photos.all, chain)),
  cancel: () => Promise.all([preview.stop(), ...[...rolls].map((roll) => roll.cancel())]),
  retry: () => retry(photos.all.filter((photo) => photo.state === "failed")),
  download: () => download(photos.all.filter((photo) => photo.state === "done")),
  clear: async () => {
    await actions.cancel();
    photos.clear();
    byId("choose").focus();
  },
};

new Sheet(byId("sheet"), photos, () => showGrid(false));
new Viewer(byId("viewer"), photos, chain, { retry: (photo) => retry([photo]), download: (photo) => download([photo]) });
new Bar(byId("bar"), photos, chain, actions);
bindOutput({ format: byId("format"), quality: byId("quality"), qualityRow: byId("quality-row"), qualityText: byId("quality-text"), qualityReset: byId("quality-reset") }, chain);

listenForFiles(byId("files"), (pictures, others) => {
  photos.addFiles(pictures);
  if (pictures.length) announce(`${plural(pictures.length, "photo")} added.`);
  if (others) toast(`${plural(others, "file")} left out: only pictures can be developed.`);
});
for (const id of ["choose", "add-more"]) byId(id).addEventListener("click", () => byId("files").click());
photos.addEventListener("list", () => {
  document.body.toggleAttribute("data-empty", photos.all.length === 0);
  preview.ask();
});
byId("layout").addEventListener("click", () => showGrid(!document.body.hasAttribute("data-grid")));
byId("share").addEventListener("click", async () => {
  await navigator.clipboard.writeText(location.href);
  toast("Link to this chain copied.");
});

function showGrid(isGrid) {
  document.body.toggleAttribute("data-grid", isGrid);
  byId("sheet").dataset.layout = isGrid ? "grid" : "strip";
  byId("layout").setAttribute("aria-pressed", isGrid);
}

async function loadChain() {
  try {
    const [catalogue, presets] = await Promise.all([loadCatalogue(), get("/web/presets.json")]);
    const offered = presets.filter((preset) => preset.chain.split(",").every((part) => catalogue.has(part.split(":")[0])));
    showPresets(byId("presets"), offered, chain);
    new ChainEditor({ list: byId("steps"), menu: byId("menu-list"), adder: byId("add"), chain, catalogue });
    byId("add").disabled = false;
    byId("no-catalogue").hidden = true;
  } catch (error) {
    byId("no-catalogue").hidden = false;
    byId("no-catalogue").textContent = inWords(error);
    setTimeout(loadChain, 2000);
  }
}

addEventListener("beforeunload", (event) => {
  if (photos.all.some((photo) => photo.state === "sending")) event.preventDefault();
});

keepTable(photos);
photos.addJobs(await recallTable(), signatureOf);
const open = Map.groupBy(photos.all.filter((photo) => photo.isBusy), (photo) => photo.job.batch);
for (const list of open.values()) run(list, (roll) => roll.watch());

await loadChain();
document.body.dataset.ready = "yes";
