// Thumbnails: decoded small and away from the main thread, few at a time, the least used let go.

const AT_ONCE = 2;
const KEPT = 200;
const WIDTH = 320;

const kept = new Map();
const waiting = [];
let running = 0;

/**
 * The thumbnail of a photo as it is now (developed when it is done): an ImageBitmap, or null when the browser cannot read
 * the format. `stillWanted()` is asked when its turn comes; undefined is the answer when it said no.
 */
export function thumbnail(photo, stillWanted) {
  const key = thumbnailKey(photo);
  if (kept.has(key)) {
    const bitmap = kept.get(key);
    kept.delete(key);
    kept.set(key, bitmap);
    return Promise.resolve(bitmap);
  }
  return new Promise((resolve) => {
    waiting.push({ photo, key, stillWanted, resolve });
    pump();
  });
}

/** Changes when the photo looks different. */
export function thumbnailKey(photo) {
  return photo.state === "done" ? `${photo.id} ${photo.job.id} ${photo.job.run}` : photo.id;
}

function pump() {
  while (running < AT_ONCE && waiting.length) {
    const order = waiting.pop(); // the latest asked for is what is on screen now
    if (!order.stillWanted()) {
      order.resolve(undefined);
      continue;
    }
    running += 1;
    make(order.photo).then((bitmap) => {
      keep(order.key, bitmap);
      running -= 1;
      order.resolve(bitmap);
      pump();
    });
  }
}

async function make(photo) {
  try {
    const blob = photo.state === "done" ? await (await fetch(photo.job.links.result)).blob() : await photo.source();
    return await createImageBitmap(blob, { resizeWidth: WIDTH, resizeQuality: "medium" });
  } catch {
    return null; // TIFF, say, or a damaged file: the tile shows the name instead
  }
}

function keep(key, bitmap) {
  kept.set(key, bitmap);
  for (const [oldest, old] of kept) {
    if (kept.size <= KEPT) break;
    kept.delete(oldest);
    old?.close();
  }
}

/** Draws a bitmap so that it covers the canvas. */
export function drawCover(canvas, bitmap) {
  const scale = Math.max(canvas.width / bitmap.width, canvas.height / bitmap.height);
  const width = bitmap.width * scale;
  const height = bitmap.height * scale;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}
