"""Webhooks: told at least once that a job ended or a batch is complete, for up to a day.

The scripts that end a job write an entry into `image.hooks:{p}`; the stage of this service hands it to `deliver`. What
fails waits in a sorted set and comes back as a new entry, with the same message id, so that receivers can tell.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final, Literal

import httpx
import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.trace import Span, StatusCode
from redis.exceptions import RedisError

from services.results import cloud_events, signing
from services.results.metrics import ResultsMetrics
from services.results.reader import Reader
from services.results.settings import ResultsSettings
from services.results.silence import Silence
from services.results.webhook import UNREADABLE, Webhook, about_webhook, read
from shared import keys, scripts, semantics, telemetry, trace_context
from shared.addresses import Refused, Unresolved, resolve
from shared.entries import Entry, Source
from shared.outage import Outage
from shared.pinned import answered, new_client, pinned, requesting

log = structlog.get_logger()

Outcome = Literal["delivered", "again", "gave_up", "refused", "gone"]

#: The delay grows by this factor from try to try, up to this many seconds; a random fifth is added or taken.
_GROWTH: Final = 3
_LONGEST_DELAY: Final = 4 * 3600
_DAY: Final = 24 * 3600.0
_JITTER: Final = 0.2
#: How many times as long as it may take to answer a receiver is left alone that did not: most of the time no delivery
#: waits for it.
_PATIENCE: Final = 2
#: Seconds between two looks at what is due, and how many come back at once.
LOOK: Final = 1.0
_AT_ONCE: Final = 100


class Webhooks:
    """Delivers the entries of the hooks streams, as a consumer whose name is set once its stage exists."""

    consumer: str

    def __init__(
        self, settings: ResultsSettings, reader: Reader, metrics: ResultsMetrics, *, outage: Outage | None = None
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._metrics = metrics
        self._secrets = settings.webhook_secrets
        self._settle = scripts.load(reader.redis, "hook")
        self._due = scripts.load(reader.redis, "due")
        self._outage = outage or Outage("redis")
        self._silence = Silence(_PATIENCE * settings.webhook_timeout)
        self._client = new_client("Darkroom-Webhooks/1", settings.webhook_timeout)

    async def handle(self, source: Source, entries: Sequence[Entry]) -> None:
        """Deliver a batch, all at the same time."""
        self._metrics.note_redelivered(source, entries)
        async with asyncio.TaskGroup() as group:
            for entry in entries:
                group.create_task(self._one(source, entry))

    async def bring_all_back(self) -> None:
        """Put what is due in the partitions of this process back on its stream; to be called every `LOOK` seconds."""
        for partition in self._settings.taken:
            await self.bring_back(partition)

    async def bring_back(self, partition: int) -> int:
        """Put delayed webhooks that are due back on their stream; returns how many."""
        moved = 0
        while (now := await self._due(keys=_keys(partition), args=[_AT_ONCE])) > 0:
            moved += int(now)
        return moved

    async def close(self) -> None:
        await self._client.aclose()

    async def _one(self, source: Source, entry: Entry) -> None:
        try:
            webhook = read(source, entry)
        except UNREADABLE:
            log.exception("unreadable webhook dropped", stream=source.stream, entry=entry.id)
            await self._over(source, entry)
            return
        if await self._put_off(source, entry, webhook):
            return
        with _span(source, entry, webhook) as span:
            outcome, delay = await self._deliver(webhook)
            span.set_attribute(semantics.OUTCOME, outcome)
            if outcome != "delivered":
                span.set_attribute(semantics.ERROR, outcome)
                span.set_status(StatusCode.ERROR)
        self._metrics.webhooks.labels(outcome).inc()
        if outcome == "again":
            later = msgspec.structs.replace(webhook, attempt=webhook.attempt + 1)
            await self._over(source, entry, msgspec.json.encode(later), int(delay * 1000))
        else:
            await self._over(source, entry)

    async def _put_off(self, source: Source, entry: Entry, webhook: Webhook) -> bool:
        """Whether its receiver just answered nobody, so that it waits without a try; its last one is always made."""
        delay = self._silence.left(webhook.url)
        if not delay or delay > self._left(webhook):
            return False
        self._metrics.webhooks.labels("again").inc()
        log.debug("webhook put off", again_in=round(delay, 1), **about_webhook(webhook))
        await self._over(source, entry, msgspec.json.encode(webhook), int(delay * 1000))
        return True

    def _left(self, webhook: Webhook) -> float:
        """Seconds until it is given up."""
        return webhook.since / 1000 + self._settings.webhook_give_up - time.time()

    async def _deliver(self, webhook: Webhook) -> tuple[Outcome, float]:
        """Try once; returns what came of it, and the seconds to wait before the next try."""
        told = about_webhook(webhook)
        asked = 0.0
        try:
            async with asyncio.timeout(self._settings.webhook_timeout) as limit:
                response = await self._send(webhook, limit)
        except Refused as error:
            log.warning("webhook refused", reason=str(error), **told)
            return "refused", 0
        except (Unresolved, httpx.HTTPError, httpx.InvalidURL, RedisError, TimeoutError, OSError) as error:
            reason = str(error) if isinstance(error, Unresolved) else type(error).__name__
            silent = isinstance(error, httpx.TimeoutException | TimeoutError)
            (self._silence.silent if silent else self._silence.answered)(webhook.url)
        else:
            self._silence.answered(webhook.url)
            if response.is_success:
                return "delivered", 0
            if response.status_code == httpx.codes.GONE:
                log.info("webhook no longer wanted", **told)
                return "gone", 0
            reason = f"status {response.status_code}"
            asked = _retry_after(response)
        left = self._left(webhook)
        if left <= 0:
            log.error("webhook given up", reason=reason, **told)
            return "gave_up", 0
        # However long a receiver asks for, it gets one more try before the time is over.
        delay = min(max(asked, self._delay(webhook.attempt)), left)
        log.info("webhook failed", reason=reason, again_in=round(delay, 1), **told)
        return "again", delay

    async def _send(self, webhook: Webhook, limit: asyncio.Timeout) -> httpx.Response:
        addresses = await resolve(webhook.url, self._settings.webhook_reach)
        url = httpx.URL(webhook.url)
        body = await cloud_events.body(self._reader, webhook.type, webhook, trace_url=self._settings.trace_url)
        signed = signing.signed_headers(
            self._secrets, message_id=webhook.message_id, timestamp=int(time.time()), body=body
        )
        request = pinned(
            self._client,
            "POST",
            url,
            addresses[(webhook.attempt - 1) % len(addresses)],
            content=body,
            headers={**signed, "Content-Type": cloud_events.MEDIA_TYPE},
        )
        again: semantics.Attributes = {semantics.RESENT: webhook.attempt - 1} if webhook.attempt > 1 else {}
        with requesting("POST", url, limit, again) as span:
            traceparent, _ = trace_context.carrier(span)
            if traceparent:
                request.headers["traceparent"] = traceparent
            response = await self._client.send(request, stream=True)
            answered(span, response.status_code)
        # Only the status counts; what else the receiver has to say is not read.
        await response.aclose()
        return response

    def _delay(self, attempt: int) -> float:
        grown: float = self._settings.webhook_first_delay * _GROWTH ** min(attempt - 1, 20)
        return min(grown, _LONGEST_DELAY) * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret

    async def _over(self, source: Source, entry: Entry, later: bytes = b"", delay_ms: int = 0) -> None:
        # As long as a live job at least: those that wait are still told when the service comes back after days.
        kept = max(int(self._settings.webhook_give_up) + _LONGEST_DELAY, keys.LIVE_TTL)
        args = [source.group, self.consumer, entry.id, later, delay_ms, kept]
        await self._outage.persist(self._settle, keys=_keys(source.partition), args=args)


def _span(source: Source, entry: Entry, webhook: Webhook) -> AbstractContextManager[Span]:
    """The span of one try, child of the projection that ended the job, whichever try it is."""
    attributes = semantics.processing(semantics.HOOKS, source.partition, source.group, entry.id, webhook.subject)
    attributes |= {semantics.WEBHOOK: webhook.type, semantics.WEBHOOK_ATTEMPT: webhook.attempt}
    return telemetry.tracer.running(
        semantics.process_name(semantics.HOOKS),
        parent=trace_context.read(webhook.traceparent) or trace.INVALID_SPAN,
        kind=semantics.CONSUMER,
        attributes=attributes,
        service="results",
    )


def _keys(partition: int) -> list[str]:
    return [keys.hooks(partition), keys.hooks_delayed(partition)]


def _retry_after(response: httpx.Response) -> float:
    """The seconds that a receiver asks for, a day at most; 0 when it asks for none or for a date."""
    asked: str = response.headers.get("retry-after", "")
    return min(float(asked), _DAY) if asked.isascii() and asked.isdigit() else 0.0
