"""Sending finished spans: a bounded queue, a thread that encodes and posts, and silence about what goes on for long.

A receiver that is away or slow costs spans, never images: what it does not take and what the queue has no room for is
dropped, each with one log line when it begins and one when it is over.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from shared import otlp
from shared.trace_context import Recorded

log = structlog.get_logger()

#: Spans that are held, and sent in one request (half a megabyte); seconds until they are. A request costs 1 ms,
#: so a batch is four times as large as OpenTelemetry's; people wait for a trace, so it waits a fifth as long.
QUEUE: Final = 16384
BATCH: Final = 2048
DELAY: Final = 1.0


class SpanSender:
    """Collects spans from any thread and posts them with `post`, which tells whether the receiver took them.

    `queue` and `batch` are in spans, `delay` in seconds. `resources` and `scope` are as in `shared.otlp.request`.
    """

    def __init__(
        self,
        post: Callable[[bytes], bool],
        resources: Mapping[str, bytes],
        scope: bytes,
        *,
        queue: int = QUEUE,
        batch: int = BATCH,
        delay: float = DELAY,
    ) -> None:
        self._post = post
        self._resources = resources
        self._scope = scope
        self._queue: deque[Recorded] = deque()
        self._room = queue
        self._batch = min(batch, queue)
        self._delay = delay
        self._wake = threading.Event()
        self._waiting: list[threading.Event] = []
        self._closing = False
        self._failing = False
        #: Spans that found no room since the queue was last empty.
        self._crowded_out = 0
        self.dropped = 0
        #: Spans that were ever dropped, by service.
        self.lost: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def put(self, span: Recorded) -> None:
        """Take a span; without room it is dropped and counted."""
        if len(self._queue) >= self._room:
            self._drop(span)
            return
        self._queue.append(span)
        if len(self._queue) >= self._batch and not self._wake.is_set():
            self._wake.set()

    def flush(self, timeout: float) -> bool:
        """Send what is held now; returns whether that was tried within `timeout` seconds."""
        tried = threading.Event()
        self._waiting.append(tried)
        self._wake.set()
        return tried.wait(timeout)

    def close(self, timeout: float) -> None:
        """Send what is held, for `timeout` seconds at most."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout)
        lost = len(self._queue) + self.dropped
        if lost:
            log.warning("spans were not sent", spans=lost)

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._delay)
            self._wake.clear()
            self._send_all()
        self._send_all()

    def _drop(self, span: Recorded) -> None:
        self.dropped += 1
        self.lost[span.service] += 1
        self._crowded_out += 1
        if self._crowded_out == 1:
            log.warning("spans find no room", hint="is the receiver slow? OTEL_BSP_MAX_QUEUE_SIZE holds more")

    def _send_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._send_queue()
        for tried in waiting:
            tried.set()

    def _send_queue(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(self._batch, len(self._queue)))]
            try:
                taken = self._post(otlp.request(batch, self._resources, self._scope))
            except Exception:
                # A defect here must not end the thread: all spans to come would be lost for it.
                log.exception("spans could not be encoded", spans=len(batch))
                taken = False
            self._note(batch, taken=taken)
        if self._crowded_out:
            lost, self._crowded_out = self._crowded_out, 0
            log.info("spans find room again", dropped=lost)

    def _note(self, batch: Sequence[Recorded], *, taken: bool) -> None:
        if not taken:
            self.dropped += len(batch)
            self.lost.update(span.service for span in batch)
        if taken == self._failing:
            self._failing = not taken
            if taken:
                log.info("spans are taken again", dropped=self.dropped)
                self.dropped = 0
            else:
                log.warning("spans are not taken", hint="is the receiver of OTEL_EXPORTER_OTLP_ENDPOINT up?")
