"""What the pool and its children say to each other."""

import msgspec

from services.process.request import Report, Request


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A child's answer: a report, or the text of a traceback, or neither when it only says that it is warm.

    `resident` is the memory that the child holds, in bytes.
    """

    resident: int
    report: Report | None = None
    fault: str | None = None


_requests = msgspec.msgpack.Decoder(Request)
_replies = msgspec.msgpack.Decoder(Reply)


def decode_request(data: bytes) -> Request:
    return _requests.decode(data)


def decode_reply(data: bytes) -> Reply:
    """Raises msgspec.DecodeError for what no healthy child says."""
    return _replies.decode(data)
