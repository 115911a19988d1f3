// The recipe's HTTP hop: Express takes an image, raw or as a form, keeps it in a folder and adds a BullMQ job.
// `node express.mjs REDIS_URL PORT`. Prints `ready`.
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import express from "express";
import multer from "multer";
import { mkdir, writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";

const [url, port, folder] = process.argv.slice(2);
const queue = new Queue("images", { connection: new Redis(url) });
const upload = multer({ storage: multer.memoryStorage(), limits: { fileSize: 64 * 1024 * 1024 } });
const app = express();
await mkdir(folder, { recursive: true });

async function accept(bytes, answer) {
  const name = `${folder}/${randomUUID()}`;
  await writeFile(name, bytes);
  const job = await queue.add("develop", { source: name, filters: [] }, { removeOnComplete: { age: 3600 } });
  answer.status(202).json({ id: job.id });
}

app.post("/raw", express.raw({ type: "image/*", limit: "64mb" }), (request, answer) => accept(request.body, answer));
app.post("/form", upload.single("image"), (request, answer) => accept(request.file.buffer, answer));
app.listen(Number(port), "127.0.0.1", () => console.log("ready"));
