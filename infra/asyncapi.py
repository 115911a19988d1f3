"""The streams as an AsyncAPI 3 document, made from the event models themselves.

FastStream's own generator reads pydantic models and assumes its own envelope. Our events are msgspec structs in the
field `data` of plain stream entries, so the document is put together here; a test holds it against the JSON Schema of
AsyncAPI 3.
"""

from importlib.metadata import version
from typing import Any, Final

import msgspec

from shared import keys
from shared.dead_letters import Letter
from shared.events import ImageProgress, ImageUploaded, Result

_REF: Final = "#/components/schemas/{name}"
_DEAD: Final = (
    "Entries that could not be read or used up their attempts. Beside `data` lie the fields of the entry itself, each "
    "name with `entry.` before it."
)
_BULK: Final = (
    "Pictures to develop that let others go first. The job of an entry without `job_id` is `{p}-bulk-<entry id>`; HTTP "
    "finds it by `{p}-<entry id>` too."
)
_CHANNELS: Final[dict[str, tuple[str, str, str]]] = {
    "uploaded": ("image.uploaded:{{p}}", "Pictures to develop.", "ImageUploaded"),
    "uploadedBulk": ("image.uploaded.bulk:{{p}}", _BULK, "ImageUploaded"),
    "progress": ("image.progress:{{p}}", "What became of them.", "ImageProgress"),
    "dead": ("image.dead:{{p}}", _DEAD, "DeadLetter"),
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
_JOB: Final = "0-01936e6a-1f2b-7c3d-8e4f-5a6b7c8d9e0f"
_UPLOADED: Final = ImageUploaded(
    source="inbox/cat.jpg", job_id=_JOB, filters=[{"name": "sepia"}, {"name": "blur", "size": 9}]
)
_TRACE_HEADERS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "traceparent": {"type": "string", "description": "W3C Trace Context; a field of the entry beside `data`."},
        "tracestate": {"type": "string", "description": "W3C Trace Context; a field of the entry beside `data`."},
    },
}
#: Message name to the model of its payload, with an example.
_MESSAGES: Final[dict[str, tuple[type[msgspec.Struct], msgspec.Struct]]] = {
    "ImageUploaded": (ImageUploaded, _UPLOADED),
    "ImageProgress": (
        ImageProgress,
        ImageProgress(
            type="processed",
            job_id=_JOB,
            upload=_UPLOADED,
            at=1_764_000_000_000,
            worker="process-1",
            result=Result(
                key="results/2026-11-24/local/" + "c0ffee00" * 8,
                media_type="image/jpeg",
                bytes=204_800,
                width=1600,
                height=1067,
            ),
            timings={"decode": 4.2, "filters": 1.9, "encode": 3.4},
        ),
    ),
    "DeadLetter": (
        Letter,
        Letter(
            stream="image.uploaded:{0}",
            entry_id="1764000000000-0",
            job_id=_JOB,
            owner="local",
            run=1,
            code="gave_up",
            message="No attempt came to an end.",
            attempts=5,
            worker="process-1",
            at=1_764_000_000_000,
            trace="",
        ),
    ),
}


def asyncapi() -> dict[str, Any]:
    """The document, version 3.0.0."""
    models = [model for model, _ in _MESSAGES.values()]
    _, components = msgspec.json.schema_components(models, ref_template=_REF)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Darkroom",
            "version": version("darkroom"),
            "description": "The Redis Streams that pictures travel on. An event is JSON in the entry's field `data`. "
            "`image.hooks:{p}` is left out: nobody but the results service reads or writes it.",
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
            "messages": {name: _message(name, *facts) for name, facts in _MESSAGES.items()},
            "schemas": components,
        },
    }


def _channel(address: str, description: str, message: str) -> dict[str, Any]:
    return {
        "address": address,
        "description": f"{description} One stream for each partition p; the braces are part of the name.",
        "servers": [{"$ref": "#/servers/redis"}],
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _message(name: str, model: type[msgspec.Struct], example: msgspec.Struct) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "contentType": "application/json",
        "headers": _TRACE_HEADERS,
        "payload": {"$ref": _REF.format(name=model.__name__)},
        "examples": [{"payload": msgspec.to_builtins(example)}],
    }
