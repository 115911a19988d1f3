"""How much waits in the streams, and how full Redis is, measured when somebody asks."""

from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry
from redis.exceptions import RedisError

from shared import groups, metrics
from shared.entries import Source
from shared.scripts import RedisClient

log = structlog.get_logger()


class StreamGauges:
    """The gauges of some streams in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._length = metrics.LENGTH.gauge(registry)
        self._lag = metrics.LAG.gauge(registry)
        self._pending = metrics.PENDING.gauge(registry)
        self._oldest = metrics.OLDEST.gauge(registry)
        self._memory = metrics.REDIS_MEMORY.gauge(registry)
        self._limit = metrics.REDIS_LIMIT.gauge(registry)

    async def refresh(self, redis: RedisClient, sources: Iterable[Source]) -> None:
        """Measure; while Redis is away the gauges are taken back, for an old value would look like a present one."""
        try:
            for source in sources:
                backlog = await groups.backlog(redis, source)
                self._length.labels(source.stream).set(backlog.length)
                self._lag.labels(source.stream, source.group).set(backlog.lag)
                self._pending.labels(source.stream, source.group).set(backlog.pending)
                self._oldest.labels(source.stream, source.group).set(backlog.oldest_ms / 1000)
            memory = await redis.info("memory")
            self._memory.set(memory["used_memory"])
            self._limit.set(memory["maxmemory"])
        except (RedisError, OSError) as error:
            log.debug("no metrics of streams", error=str(error))
            self._hide()

    def _hide(self) -> None:
        for gauge in (self._length, self._lag, self._pending, self._oldest):
            gauge.clear()
        for gauge in (self._memory, self._limit):
            gauge.set(float("nan"))
