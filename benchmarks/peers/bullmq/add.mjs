// Adds jobs to a BullMQ queue and waits until all are completed: `node add.mjs REDIS_URL JOBS BULK`, after a tenth as many to
// warm up. Prints one JSON line: seconds from the first add to the last completion, CPU seconds of this process.
import { Queue, QueueEvents } from "bullmq";
import { Redis } from "ioredis";

const [url, jobs, bulk] = process.argv.slice(2);
const connection = new Redis(url, { maxRetriesPerRequest: null });
const queue = new Queue("images", { connection });
await queue.obliterate({ force: true });
const count = Number(jobs);
const size = Number(bulk);
const data = { source: "originals/2026-01-01/local/" + "0".repeat(64), filters: [], padding: "x".repeat(160) };

async function add(jobs) {
  const goal = (await queue.getCompletedCount()) + jobs;
  const adds = [];
  for (let first = 0; first < jobs; first += size) {
    const chunk = Array.from({ length: Math.min(size, jobs - first) }, () => ({
      name: "develop",
      data,
      // A kept record per job, as the recipe has it and as Darkroom keeps its own.
      opts: { removeOnComplete: { age: 3600 } },
    }));
    adds.push(queue.addBulk(chunk));
    if (adds.length >= 8) await adds.shift();
  }
  await Promise.all(adds);
  while ((await queue.getCompletedCount()) < goal) await new Promise((resolve) => setTimeout(resolve, 10));
}

await add(Math.ceil(count / 10));
console.log("warm");
await new Promise((resolve) => process.stdin.once("data", resolve));
const before = process.cpuUsage();
const start = performance.now();
await add(count);
const seconds = (performance.now() - start) / 1000;
const used = process.cpuUsage(before);
console.log(JSON.stringify({ seconds, cpu: (used.user + used.system) / 1e6 }));
await queue.close();
process.exit(0);
