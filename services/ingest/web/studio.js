// The studio page: the chain at once, the table with the first photo.

import { announce, toast } from "./announce.js";
import { get, unreachable } from "./api.js";
import { loadCatalogue } from "./catalogue.js";
import { ChainEditor } from "./chain-editor.js";
import { Chain } from "./chain.js";
import { plural } from "./format.js";
import { listenForFiles } from "./intake.js";
import { bindOutput, showPresets } from "./looks.js";
import { inWords } from "./words.js";

const CATALOGUE_PAUSE = 2000; // ms until a catalogue that was not there is asked for again

const byId = (id) => document.getElementById(id);
const chain = new Chain();
let opened = null;

/** The photos on the table; its modules come when they are first needed. */
function table() {
  opened ??= import("./table.js")
    .then(({ openTable }) => openTable(chain))
    .catch((error) => {
      opened = null; // the next photo asks again
      throw error;
    });
  return opened;
}

async function addFiles(pictures, others) {
  if (others) toast(`${plural(others, "file")} left out: only pictures can be developed.`);
  if (!pictures.length) return;
  try {
    (await table()).addFiles(pictures);
    announce(`${plural(pictures.length, "photo")} added.`);
  } catch {
    toast(`${inWords(unreachable())} Drop the photos again when it is back.`);
  }
}

async function showChain() {
  const [catalogue, presets] = await Promise.all([loadCatalogue(), get("/web/presets.json")]);
  const offered = presets.filter((preset) =>
    preset.chain.split(",").every((part) => catalogue.has(part.split(":")[0])),
  );
  showPresets(byId("presets"), offered, chain);
  new ChainEditor({ list: byId("steps"), menu: byId("menu-list"), adder: byId("add"), chain, catalogue });
  byId("add").disabled = false;
}

/** Before the first worker has told its filters there are none; then the page waits for them. */
async function showChainWhenKnown() {
  try {
    await showChain();
    byId("no-catalogue").hidden = true;
  } catch (error) {
    byId("no-catalogue").hidden = false;
    byId("no-catalogue").textContent = inWords(error);
    setTimeout(showChainWhenKnown, CATALOGUE_PAUSE);
  }
}

chain.readUrl(location.search);
chain.addEventListener("change", () => history.replaceState(null, "", chain.url));
addEventListener("popstate", () => chain.readUrl(location.search));
bindOutput(
  {
    format: byId("format"),
    quality: byId("quality"),
    qualityRow: byId("quality-row"),
    qualityText: byId("quality-text"),
    qualityReset: byId("quality-reset"),
  },
  chain,
);
listenForFiles(byId("files"), addFiles);
for (const id of ["choose", "add-more"]) byId(id).addEventListener("click", () => byId("files").click());
byId("share").addEventListener("click", async () => {
  // On plain HTTP beyond loopback there is no clipboard.
  const copied = await navigator.clipboard?.writeText(location.href).then(
    () => true,
    () => false,
  );
  toast(copied ? "Link to this chain copied." : "Copy the address of this page: it holds the chain.");
});

await showChainWhenKnown();
document.body.dataset.ready = "yes";
performance.mark("ready");
// The table comes with the first sign of a person, so that it is there by the time of the first photo; at once where photos are
// to be put back after a reload. A failure is told with the first photo, which asks again.
const getReady = () => table().catch(() => {});
if (sessionStorage.getItem("table")?.length > 2) getReady();
else for (const sign of ["pointermove", "pointerdown", "keydown", "dragenter"]) addEventListener(sign, getReady, { once: true });
