from services.results.app import ResultsService
from services.results.settings import ResultsSettings
from shared import keys
from tests.results.story import SOURCE, Story, failed, processed, upload
from tests.support.waiting import eventually


async def test_the_whole_service_projects_what_is_published_and_drains(story: Story, settings: ResultsSettings) -> None:
    service = ResultsService(settings)
    await service.start()
    try:
        job_ids = await story.submit(*(f"{n}.jpg" for n in range(50)))
        await story.publish(*[processed(await story.upload_of(job_id)) for job_id in job_ids], b"nonsense")
        await story.publish(failed(upload("0-straight", source="inbox/x.jpg")))

        async def settled() -> bool:
            states = [(await story.job(job_id)).state for job_id in job_ids]
            return set(states) == {"done"} and bool(await story.redis.exists(keys.job(0, "0-straight")))

        await eventually(settled)
        report = await service.health.report()
        assert report["status"] == "ok", report
    finally:
        await service.drain()
    assert await story.redis.xlen(keys.dead(0)) == 1
    consumers = await story.redis.xinfo_consumers(SOURCE.stream, SOURCE.group)
    assert [consumer["name"] for consumer in consumers if consumer["pending"]] == []
