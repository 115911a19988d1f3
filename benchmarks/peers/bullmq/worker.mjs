// A BullMQ worker that does nothing: `node worker.mjs REDIS_URL CONCURRENCY`. Prints `ready`, then lives until SIGTERM.
import { Worker } from "bullmq";

const [url, concurrency] = process.argv.slice(2);
const worker = new Worker("images", async () => null, {
  connection: { url, maxRetriesPerRequest: null },
  concurrency: Number(concurrency),
});
await worker.waitUntilReady();
console.log("ready");
process.on("SIGTERM", async () => {
  await worker.close();
  process.exit(0);
});
