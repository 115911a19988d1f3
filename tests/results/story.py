"""Telling the results service a story of jobs, without any other service: submitted, started, processed, failed."""

import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
from redis.asyncio import Redis

from services.results.metrics import ResultsMetrics
from services.results.projection import Projection
from shared import groups, keys, records
from shared.entries import Entry, Source
from shared.events import Failure, ImageProgress, ImageUploaded, Result, encode
from shared.records import JobRecord
from shared.submission import Submission, Submitter

SOURCE = Source(keys.progress(0), keys.RESULTS_GROUP, 0)


@dataclass
class Story:
    """One server, one projection, and the events that a process service would publish."""

    redis: Redis
    projection: Projection
    metrics: ResultsMetrics = field(default_factory=ResultsMetrics)

    @classmethod
    async def begin(cls, url: str) -> "Story":
        redis = Redis.from_url(url)
        metrics = ResultsMetrics()
        await groups.ensure(redis, SOURCE)
        projection = Projection(redis, retention=3600, metrics=metrics)
        projection.consumer = "tester"
        return cls(redis, projection, metrics)

    async def submit(
        self, *names: str, batch: str = "0-batch", expected: int | None = None, bulk: bool = False, **event: object
    ) -> list[str]:
        jobs = [upload(keys.new_id(0), name=name, batch=batch, expected=expected, **event) for name in names]
        owner = jobs[0].owner
        await Submitter(self.redis).submit(Submission(0, owner, batch, jobs, bulk=bulk, expected=expected))
        return [job.job_id or "" for job in jobs]

    async def publish(self, *events: ImageProgress | bytes, **fields: str) -> list[str]:
        ids = []
        for event in events:
            data = event if isinstance(event, bytes) else encode(event)
            ids.append((await self.redis.xadd(SOURCE.stream, {"data": data, **fields})).decode())
        return ids

    async def read(self, consumer: str = "tester") -> list[Entry]:
        reply: Any = await self.redis.xreadgroup(SOURCE.group, consumer, {SOURCE.stream: ">"}, count=1000)
        return [Entry(entry.decode(), values) for _, entries in reply for entry, values in entries]

    async def project(self, *events: ImageProgress | bytes, **fields: str) -> None:
        """Publish events and project them."""
        await self.publish(*events, **fields)
        await self.projection.handle(SOURCE, await self.read())

    async def job(self, job_id: str) -> JobRecord:
        record = records.read(job_id, await self.redis.hgetall(keys.job(0, job_id)))
        assert record is not None
        return record

    async def upload_of(self, job_id: str) -> ImageUploaded:
        found = (await self.job(job_id)).upload
        assert found is not None
        return msgspec.structs.replace(found, job_id=job_id)

    async def start(self, *job_ids: str) -> None:
        await self.project(*[started(await self.upload_of(job_id)) for job_id in job_ids])

    async def finish(self, *job_ids: str, key: str = "results/2026-11-24/local/" + "a" * 64) -> None:
        await self.project(*[processed(await self.upload_of(job_id), key=key) for job_id in job_ids])

    async def fail(self, *job_ids: str, code: str = "corrupt_image") -> None:
        await self.project(*[failed(await self.upload_of(job_id), code=code) for job_id in job_ids])

    async def pending(self) -> int:
        return int((await self.redis.xpending(SOURCE.stream, SOURCE.group))["pending"])

    async def end(self) -> None:
        await self.redis.aclose()


def upload(job_id: str, **members: object) -> ImageUploaded:
    return ImageUploaded(**{"source": f"originals/2026-11-24/local/{'b' * 64}", "job_id": job_id, **members})


def started(event: ImageUploaded, *, attempt: int = 1) -> ImageProgress:
    return _progress("started", event, attempt=attempt)


def processed(event: ImageUploaded, *, key: str = "results/r", attempt: int = 1, size: int = 3) -> ImageProgress:
    result = Result(key=key, media_type="image/jpeg", bytes=size, width=4, height=5)
    return _progress("processed", event, result=result, attempt=attempt, timings={"decode": 1.5})


def failed(event: ImageUploaded, *, code: str = "corrupt_image", attempt: int = 1) -> ImageProgress:
    return _progress("failed", event, error=Failure(code, "The image is damaged."), attempt=attempt)


def _progress(kind: str, event: ImageUploaded, **members: object) -> ImageProgress:
    return ImageProgress(
        type=kind, job_id=event.job_id or "", upload=event, run=event.run, at=int(time.time() * 1000), **members
    )
