"""A corpus of hostile files, made the same each time: nothing in it may cost more than itself.

Truncations at every region, bit flips, bombs of every format, headers that lie, polyglots, and rubbish.
"""

import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np

from tests.process.pictures import encoded, scene

EXTENSIONS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "avif": ".avif", "tiff": ".tiff", "gif": ".gif"}


def corpus(seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file."""
    rng = np.random.default_rng(seed)
    for kind, extension in EXTENSIONS.items():
        good = encoded(extension, scene(96, 128))
        yield from _truncated(kind, good)
        yield from _flipped(kind, good, rng)
        yield from _overwritten(kind, good, rng)
        yield from _polyglots(kind, good)
    yield from _bombs()
    yield from _lying()
    yield from _rubbish(rng)


def _truncated(kind: str, good: bytes) -> Iterator[tuple[str, bytes]]:
    ends = {*range(0, min(64, len(good)), 3), *(len(good) * part // 16 for part in range(1, 16)), len(good) - 1}
    for end in sorted(ends):
        yield f"{kind} cut at {end}", good[:end]


def _flipped(kind: str, good: bytes, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    for number in range(24):
        changed = bytearray(good)
        # half of them in the header, where they hurt most
        reach = len(good) if number % 2 else min(len(good), 300)
        for at in rng.integers(0, reach, 1 + number // 4):
            changed[at] ^= 1 << int(rng.integers(8))
        yield f"{kind} flipped {number}", bytes(changed)


def _overwritten(kind: str, good: bytes, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    for number in range(12):
        changed = bytearray(good)
        at = int(rng.integers(0, max(1, min(len(good), 400) - 4)))
        changed[at : at + 4] = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff")[number % 3]
        yield f"{kind} overwritten {number}", bytes(changed)


def _polyglots(kind: str, good: bytes) -> Iterator[tuple[str, bytes]]:
    yield f"{kind} with a tail", good + b"<script>alert(1)</script>PK\x05\x06" + bytes(18)
    yield f"{kind} twice", good + good
    yield f"{kind} after html", b"<html>" + good
    for other, extension in EXTENSIONS.items():
        yield f"head of {kind} on {other}", good[:16] + encoded(extension, scene(16, 16))[16:]


def png(width: int, height: int, data: bytes, *, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG with any header and any compressed data."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        (b"IDAT", data),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def with_jpeg_size(data: bytes, width: int, height: int) -> bytes:
    """The same JPEG with another size in its frame header."""
    at = next(at for at in range(2, len(data)) if data[at] == 0xFF and data[at + 1] in (0xC0, 0xC2))
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def _bombs() -> Iterator[tuple[str, bytes]]:
    """Little files that say, or hold, very many pixels."""
    yield "png that inflates without end", png(200, 200, zlib.compress(bytes(64 * 1024 * 1024), 9))
    yield "png of a billion pixels", png(30_000, 40_000, zlib.compress(bytes(1000)))
    yield "png of the longest sides", png(2**31 - 1, 2**31 - 1, zlib.compress(bytes(1000)))
    yield "jpeg of the longest sides", with_jpeg_size(encoded(".jpg", scene(16, 16)), 65_535, 65_535)
    gif = bytearray(encoded(".gif", scene(16, 16)))
    gif[6:10] = b"\xff\xff\xff\xff"
    yield "gif of the longest sides", bytes(gif)
    tiff = encoded(".tiff", scene(16, 16))
    for sides in ((2**31 - 1, 2**31 - 1), (60_000, 60_000), (1, 2**32 - 1)):
        yield f"tiff of {sides[0]}×{sides[1]}", _with_tiff_size(tiff, *sides)
    webp = bytearray(encoded(".webp", scene(16, 16)))
    webp[26:30] = b"\xff\x3f\xff\x3f"
    yield "webp of the longest sides", bytes(webp)
    avif = encoded(".avif", scene(16, 16))
    at = avif.index(b"ispe") + 8
    yield "avif of the longest sides", avif[:at] + struct.pack(">II", 2**32 - 1, 2**32 - 1) + avif[at + 8 :]
    yield "gif of many frames", _many_frames(".gif")
    yield "webp of many frames", _many_frames(".webp")


def _with_tiff_size(data: bytes, width: int, height: int) -> bytes:
    changed = bytearray(data)
    start = struct.unpack_from("<I", data, 4)[0]
    for at in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        tag = struct.unpack_from("<H", data, at)[0]
        if tag in (256, 257):
            struct.pack_into("<HII", changed, at + 2, 4, 1, width if tag == 256 else height)
    return bytes(changed)


def with_two_sizes(data: bytes, width: int, height: int) -> bytes:
    """The same TIFF with another size after the true one: libtiff takes the first, others the last."""
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    end = start + 2 + 12 * count
    lies = b"".join(struct.pack("<HHII", tag, 4, 1, side) for tag, side in ((256, width), (257, height)))
    directory = struct.pack("<H", count + 2) + data[start + 2 : end] + lies + bytes(4)
    even = data + bytes(len(data) % 2)
    return even[:4] + struct.pack("<I", len(even)) + even[8:] + directory


def _many_frames(extension: str) -> bytes:
    animation = cv2.Animation()
    animation.frames = [np.full((16, 16, 3), n % 256, np.uint8) for n in range(2000)]
    animation.durations = np.full(2000, 20)
    _, data = cv2.imencodeanimation(extension, animation)
    return data.tobytes()


def _lying() -> Iterator[tuple[str, bytes]]:
    """Headers that do not fit what follows."""
    small = encoded(".jpg", scene(64, 64))
    for width, height in ((0, 64), (64, 0), (1, 1), (4000, 4000), (65, 64)):
        yield f"jpeg that says {width}×{height}", with_jpeg_size(small, width, height)
        yield f"png that says {width}×{height}", png(width, height, zlib.compress(bytes(64 * 193)))
    yield "png of no depth", png(8, 8, zlib.compress(bytes(200)), depth=0)
    yield "png of an unknown kind", png(8, 8, zlib.compress(bytes(200)), colour=5)
    # the same orientation again and again, in a directory that points at itself
    loop = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff" + b"\x69\x87\x04\x00\x01\x00\x00\x00\x08\x00\x00\x00" * 40
    segment = b"\xff\xe1" + struct.pack(">H", len(loop) + 2) + loop
    yield "jpeg with an endless exif", small[:2] + segment + small[2:]
    yield "tiff that says two sizes", with_two_sizes(encoded(".tiff", scene(2100, 2100)), 2, 2)
    for orientation in (*range(10), 65_535):
        body = b"Exif\x00\x00II*\x00" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
        segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
        yield f"jpeg of orientation {orientation}", small[:2] + segment + small[2:]


def _rubbish(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    yield "a zero", b"\x00"
    yield "text", b"GIF, PNG or JPEG?" * 10
    yield "svg", b"<?xml version='1.0'?><!DOCTYPE s [<!ENTITY a 'aaaa'>]><svg>&a;</svg>"
    heads = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\xff\xffWEBPVP8 ", b"II*\x00", b"MM\x00*", b"GIF89a")
    for head in (*heads, b"\x00\x00\x00\x1cftypavif"):
        yield f"noise after {head!r}", head + rng.bytes(4000)
