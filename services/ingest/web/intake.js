// Ways for files to come in: drop anywhere (folders too), paste, choose.

const PICTURE = /^image\//;
const PICTURE_NAME = /\.(jpe?g|png|webp|avif|tiff?|gif)$/i;

const isPicture = (file) => PICTURE.test(file.type) || PICTURE_NAME.test(file.name);

/**
 * Calls `onFiles(pictures, others)` for each drop, paste or choice, where `others` is how many files were no pictures.
 * While files hover over the page, `body` has the data attribute `dropping`.
 */
export function listenForFiles(input, onFiles) {
  let depth = 0;
  const hands = (files) => {
    const pictures = files.filter(isPicture);
    onFiles(pictures, files.length - pictures.length);
  };
  const hover = (change) => (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += change;
    document.body.toggleAttribute("data-dropping", depth > 0);
  };

  addEventListener("dragenter", hover(1));
  addEventListener("dragleave", hover(-1));
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    document.body.removeAttribute("data-dropping");
    hands(await droppedFiles(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) hands(files);
  });
  input.addEventListener("change", () => {
    hands([...input.files]);
    input.value = "";
  });
}

function carriesFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes("Files");
}

async function droppedFiles(transfer) {
  // Entries must be taken before the first await: the transfer is emptied when the event handler yields.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A reader hands out at most a hundred entries at a time and an empty list at the end.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(filesOf))).flat();
}
