"""The streams as an AsyncAPI 3 document, made from the event models themselves.

FastStream's own generator reads pydantic models and assumes its own envelope. Our events are msgspec structs in the
field `data` of plain stream entries, so the document is put together here; a test checks it with FastStream's model
of AsyncAPI 3.
"""

from importlib.metadata import version
from typing import Any, Final

import msgspec

from shared import keys
from shared.events import ImageProgress, ImageUploaded

_REF: Final = "#/components/schemas/{name}"
_CHANNELS: Final[dict[str, tuple[str, str, str]]] = {
    "uploaded": ("image.uploaded:{{p}}", "Pictures to develop.", "ImageUploaded"),
    "uploadedBulk": ("image.uploaded.bulk:{{p}}", "Pictures to develop that let others go first.", "ImageUploaded"),
    "progress": ("image.progress:{{p}}", "What became of them.", "ImageProgress"),
    "dead": ("image.dead:{{p}}", "Entries that could not be read or used up their attempts.", "DeadLetter"),
}
#: Who reads and writes what: operation, channel, action, description.
_OPERATIONS: Final = (
    ("publishUpload", "uploaded", "receive", "Anybody may add a picture: XADD 'image.uploaded:{0}' * data '{…}'."),
    ("publishBulkUpload", "uploadedBulk", "receive", "The same with low priority."),
    ("develop", "uploaded", "receive", f"Read by the consumer group {keys.PROCESS_GROUP}."),
    ("developBulk", "uploadedBulk", "receive", f"Read by the consumer group {keys.PROCESS_GROUP}."),
    ("tellProgress", "progress", "send", f"Written by process, read by the consumer group {keys.RESULTS_GROUP}."),
    ("bury", "dead", "send", "Written by whoever gives an entry up; listed, replayed and dropped over HTTP."),
)
_TRACE_HEADERS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "traceparent": {"type": "string", "description": "W3C Trace Context; a field of the entry beside `data`."},
        "tracestate": {"type": "string", "description": "W3C Trace Context; a field of the entry beside `data`."},
    },
}
_DEAD_LETTER: Final[dict[str, Any]] = {
    "title": "DeadLetter",
    "type": "object",
    "description": "Where an entry came from and why it was given up; its own fields follow, prefixed with `entry.`.",
    "required": ["stream", "entry_id", "code", "message", "attempts", "at"],
    "properties": {
        "stream": {"type": "string"},
        "entry_id": {"type": "string"},
        "job_id": {"type": "string"},
        "owner": {"type": "string"},
        "run": {"type": "integer"},
        "code": {"type": "string"},
        "message": {"type": "string"},
        "attempts": {"type": "integer"},
        "worker": {"type": "string"},
        "at": {"type": "integer", "description": "Milliseconds since the epoch."},
        "trace": {"type": "string"},
    },
}
_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "ImageUploaded": {"source": "inbox/cat.jpg", "filters": [{"name": "sepia"}, {"name": "blur", "size": 9}]},
}


def asyncapi() -> dict[str, Any]:
    """The document, version 3.0.0."""
    _, components = msgspec.json.schema_components([ImageUploaded, ImageProgress], ref_template=_REF)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Darkroom",
            "version": version("darkroom"),
            "description": "The Redis Streams that pictures travel on. An event is JSON in the entry's field `data`.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "redis": {
                "host": "127.0.0.1:6379",
                "pathname": "/0",
                "protocol": "redis",
                "description": "Redis >= 7.0 or Valkey >= 8.",
            }
        },
        "channels": {name: _channel(*facts) for name, facts in _CHANNELS.items()},
        "operations": {
            name: {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "description": description}
            for name, channel, action, description in _OPERATIONS
        },
        "components": {
            "messages": {name: _message(name) for name in ("ImageUploaded", "ImageProgress", "DeadLetter")},
            "schemas": {**components, "DeadLetter": _DEAD_LETTER},
        },
    }


def _channel(address: str, description: str, message: str) -> dict[str, Any]:
    return {
        "address": address,
        "description": f"{description} One stream for each partition p; the braces are part of the name.",
        "servers": [{"$ref": "#/servers/redis"}],
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _message(name: str) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": name,
        "title": name,
        "contentType": "application/json",
        "headers": _TRACE_HEADERS,
        "payload": {"$ref": _REF.format(name=name)},
    }
    if name in _EXAMPLES:
        message["examples"] = [{"payload": _EXAMPLES[name]}]
    return message
