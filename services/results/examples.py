"""What the documents of the results service look like, for OpenAPI and the page made from it."""

from typing import Any, Final

_JOB: Final = "0-01936e6a-1f2b-7c3d-8e4f-5a6b7c8d9e0f"
_BATCH: Final = "0-01936e6a-1f2b-7c3d-8e4f-000000000000"
_TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
_WORKER: Final = "process-7f3a"
JOB: Final[dict[str, Any]] = {
    "id": _JOB,
    "run": 1,
    "owner": "local",
    "batch": _BATCH,
    "state": "done",
    "source": "originals/2026-11-24/local/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "name": "cat.jpg",
    "filters": [{"name": "sepia"}, {"name": "blur", "size": 9}],
    "output": {"format": "webp", "quality": 80},
    "created": "2026-11-24T09:30:00.123Z",
    "started": "2026-11-24T09:30:00.125Z",
    "finished": "2026-11-24T09:30:00.141Z",
    "attempts": 1,
    "width": 1024,
    "height": 768,
    "media_type": "image/webp",
    "bytes_in": 204800,
    "bytes_out": 88211,
    "result": "results/2026-11-24/local/2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "error": None,
    "timings": {"load": 0.3, "guard": 0.1, "recall": 0.1, "decode": 4.1, "filters": 2.3, "encode": 5.2, "store": 0.4},
    "filter_ms": [0.7, 1.6],
    "trace_id": _TRACE,
    "trace_url": None,
    "cached": False,
    "earlier": [],
    "links": {
        "self": f"/v1/jobs/{_JOB}",
        "result": f"/v1/jobs/{_JOB}/result",
        "original": f"/v1/jobs/{_JOB}/original",
        "events": f"/v1/jobs/{_JOB}/events",
    },
}
LETTER: Final[dict[str, Any]] = {
    "id": "0-1764000000000-0",
    "stream": "image.uploaded:{0}",
    "entry_id": "1763999990000-0",
    "job_id": _JOB,
    "owner": "local",
    "run": 1,
    "code": "gave_up",
    "message": "The job was started 5 times and never came to an end. No start left an error behind.",
    "attempts": 5,
    "worker": _WORKER,
    "at": "2026-11-24T09:30:10Z",
    "trace": _TRACE,
}
REPLAYED: Final[dict[str, Any]] = {"id": LETTER["id"], "job_id": _JOB}
LINK: Final[dict[str, Any]] = {
    "url": f"/v1/jobs/{_JOB}/result?owner=local&expires=1764000000&signature=Xk3v",
    "expires": "2026-11-24T10:30:00Z",
}
BATCH: Final[dict[str, Any]] = {
    "id": _BATCH,
    "owner": "local",
    "created": "2026-11-24T09:30:00.123Z",
    "expected": 200,
    "total": 200,
    "terminal": 64,
    "complete": False,
    "counts": {"done": 63, "failed": 1, "processing": 2, "queued": 134},
    "links": {
        "self": f"/v1/batches/{_BATCH}",
        "jobs": f"/v1/jobs?batch={_BATCH}",
        "events": f"/v1/events?batch={_BATCH}",
        "archive": f"/v1/batches/{_BATCH}/archive",
    },
}
QUEUE: Final[dict[str, Any]] = {
    "streams": [
        {
            "name": "image.uploaded:{0}",
            "group": "process",
            "length": 42,
            "lag": 40,
            "pending": 2,
            "oldest_ms": 310,
        }
    ],
    "workers": [
        {
            "name": _WORKER,
            "service": "process",
            "state": "processing",
            "job": _JOB,
            "since": "2026-11-24T09:30:00.125Z",
            "pending": 2,
            "work": [
                {"job": _JOB, "since": "2026-11-24T09:30:00.125Z", "attempt": 1},
                {"job": None, "since": None, "attempt": 1},
            ],
        }
    ],
    "rates": {"done_per_s": 118.5, "failed_per_s": 0.017},
    "history": {"span_s": 10, "done": [0, 640, 1185, 1190], "failed": [0, 0, 1, 0]},
    "errors": {"corrupt_image": 1},
    "dead_letters": 0,
}
WHOLE_LETTER: Final = {
    **LETTER,
    "fields": {"data": '{"source":"inbox/cat.jpg","filters":[{"name":"sepia"}]}'},
}
