"""Finished spans as OTLP protobuf, written by hand.

The SDK's encoder builds a message object per attribute, about 60 µs for a span of ours; joining bytes takes a tenth of
that. Field numbers are those of opentelemetry/proto/trace/v1/trace.proto 1.x; a test reads what is written here with
the official classes.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import SpanKind, StatusCode

if TYPE_CHECKING:
    from shared.trace_context import Recorded

Value = str | bool | int | float

_VARINT_ONE_BYTE: Final = 0x80
#: Protobuf's number of each kind: SPAN_KIND_INTERNAL is 1.
_KINDS: Final = {kind: bytes((0x30, kind.value + 1)) for kind in SpanKind}
#: Bit 8 says that bit 9 is meant, bit 9 that the parent lives in another process; the low ones are W3C's flags.
_FLAGS: Final = {remote: struct.pack("<BBI", 0x85, 0x01, 0x101 | remote << 9) for remote in (False, True)}
_LINK_FLAGS: Final = struct.pack("<BI", 0x35, 0x301)
_TIMES: Final = struct.Struct("<BQBQ")
_EVENT_TIME: Final = struct.Struct("<BQ")


def request(spans: Iterable["Recorded"], resources: Mapping[str, bytes], scope: bytes) -> bytes:
    """An ExportTraceServiceRequest: the spans by the service they belong to.

    `resources` holds an encoded Resource per service, `scope` is an encoded InstrumentationScope.
    """
    by_service: dict[str, list[bytes]] = {}
    for one in spans:
        by_service.setdefault(one.service, []).append(_framed(0x12, span(one)))
    head = _framed(0x0A, scope)
    return b"".join(
        _framed(0x0A, _framed(0x0A, resources[service]) + _framed(0x12, head + b"".join(encoded)))
        for service, encoded in by_service.items()
    )


def span(one: "Recorded") -> bytes:
    """One Span message."""
    above = f"2208{one.parent}" if one.parent else ""
    parts = [bytes.fromhex(f"0a10{one.trace}1208{one.span}{above}"), _name_and_kind(one.name, one.kind)]
    parts.append(_TIMES.pack(0x39, one.start_ns, 0x41, one.end_ns))
    if one.tracestate:
        parts.append(_text(0x1A, one.tracestate))
    if one.attributes:
        parts += [attribute(name, value) for name, value in one.attributes.items()]
    if one.events:
        parts += [_event(*event) for event in one.events]
    if one.links:
        parts += [_link(*link) for link in one.links]
    if one.status is not StatusCode.UNSET:
        message = _text(0x12, one.status_message) if one.status_message else b""
        parts.append(_framed(0x7A, message + bytes((0x18, one.status.value))))
    parts.append(_FLAGS[one.remote_parent])
    return b"".join(parts)


@lru_cache(maxsize=4096, typed=True)
def attribute(name: str, value: Value) -> bytes:
    """One KeyValue as field 9 of a Span. Most of them come again and again, so they are kept."""
    return _framed(0x4A, _key_value(name, value))


def _event(name: str, at_ns: int, attributes: Mapping[str, Value]) -> bytes:
    pairs = [_framed(0x1A, _key_value(key, value)) for key, value in attributes.items()]
    return _framed(0x5A, _EVENT_TIME.pack(0x09, at_ns) + _text(0x12, name) + b"".join(pairs))


def _link(trace: str, span_id: str, attributes: Mapping[str, Value]) -> bytes:
    pairs = [_framed(0x22, _key_value(key, value)) for key, value in attributes.items()]
    ids: Sequence[bytes] = (b"\x0a\x10", bytes.fromhex(trace), b"\x12\x08", bytes.fromhex(span_id))
    return _framed(0x6A, b"".join((*ids, *pairs, _LINK_FLAGS)))


def _key_value(name: str, value: Value) -> bytes:
    if isinstance(value, bool):
        encoded = bytes((0x10, value))
    elif isinstance(value, int):
        encoded = b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    elif isinstance(value, float):
        encoded = struct.pack("<Bd", 0x21, value)
    else:
        encoded = _text(0x0A, str(value))
    return _text(0x0A, name) + _framed(0x12, encoded)


@lru_cache(maxsize=256)
def _name_and_kind(name: str, kind: SpanKind) -> bytes:
    return _text(0x2A, name) + _KINDS[kind]


def _text(tag: int, text: str) -> bytes:
    # What is no Unicode (a lone surrogate of an odd file name) must not cost the whole batch.
    return _framed(tag, text.encode("utf-8", "replace"))


def _framed(tag: int, data: bytes) -> bytes:
    """A field of bytes: its tag, its length, itself."""
    size = len(data)
    if size < _VARINT_ONE_BYTE:
        return bytes((tag, size)) + data
    return bytes((tag,)) + _varint(size) + data


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number >= _VARINT_ONE_BYTE:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)
