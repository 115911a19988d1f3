// A zip without compression (pictures are compressed already), as APPNOTE.TXT 6.3 describes it.

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc32(data) {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Fields of a header, each `[bytes, value]`, little-endian. */
function pack(fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return view.buffer;
}

function common({ name, time, crc, size }) {
  const date = ((time.getFullYear() - 1980) << 9) | ((time.getMonth() + 1) << 5) | time.getDate();
  const clock = (time.getHours() << 11) | (time.getMinutes() << 5) | (time.getSeconds() >> 1);
  const UTF8 = 0x0800;
  return [
    [2, 20],
    [2, UTF8],
    [2, 0],
    [2, clock],
    [2, date],
    [4, crc],
    [4, size],
    [4, size],
    [2, name.length],
    [2, 0],
  ];
}

/**
 * Builds the archive from an async iterable of `{name, blob, time}`. The browser keeps blobs on disk, so only one picture
 * at a time is in memory. Raises RangeError beyond 4 GiB, where the plain format ends.
 */
export async function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for await (const { name, blob, time } of files) {
    const entry = {
      name: new TextEncoder().encode(name),
      time,
      crc: crc32(new Uint8Array(await blob.arrayBuffer())),
      size: blob.size,
    };
    const header = pack([[4, 0x04034b50], ...common(entry)]);
    directory.push(
      pack([[4, 0x02014b50], [2, 20], ...common(entry), [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]),
      entry.name,
    );
    parts.push(header, entry.name, blob);
    offset += header.byteLength + entry.name.length + blob.size;
    if (offset > 0xffff_0000) throw new RangeError("A zip holds at most 4 GB. Download fewer photos at a time.");
  }
  const length = directory.reduce((sum, part) => sum + part.byteLength, 0);
  const count = directory.length / 2;
  const end = pack([
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, count],
    [2, count],
    [4, length],
    [4, offset],
    [2, 0],
  ]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
