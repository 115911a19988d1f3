// A BullMQ worker that does nothing: `node worker.mjs REDIS_URL CONCURRENCY`. Prints `ready`, then lives until SIGTERM.
import { Worker } from "bullmq";
import { Redis } from "ioredis";

const [url, concurrency] = process.argv.slice(2);
const worker = new Worker("images", async () => null, {
  connection: new Redis(url, { maxRetriesPerRequest: null }),
  concurrency: Number(concurrency),
});
await worker.waitUntilReady();
console.log("ready");
process.on("SIGTERM", async () => {
  await worker.close();
  process.exit(0);
});
