"""What the requests of the contract's tests are about: jobs, batches and dead letters that exist."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from redis import Redis

from shared import keys
from shared.dead_letters import write
from shared.entries import Entry, Source
from tests.support.stack import Stack
from tests.support.waiting import wait_until

#: Whose all of it is; the owner of what names none.
OWNER = "local"
#: So many bytes of a photo are a header that is fine and pixels that are cut short.
_CUT_SHORT = 4000


@dataclass(frozen=True, slots=True)
class Known:
    """Ids of what exists. The mortal ones are for requests that take away."""

    jobs: list[str]
    mortal_jobs: list[str]
    batches: list[str]
    letters: list[str]
    mortal_letters: list[str]


def tell(stack: Stack, key: str, photos: list[Path]) -> Known:
    """Develop some photos, fail another, bury what belongs to none that is left."""
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        kept, doomed = (_sent(http, [photo.read_bytes() for photo in photos[:2]]) for _ in range(2))
        (failing,) = _sent(http, [photos[0].read_bytes()[:_CUT_SHORT]])["jobs"]
        letters = [_buried(stack) for _ in range(6)]
        jobs, mortal = ([job["id"] for job in answer["jobs"]] for answer in (kept, doomed))
        wait_until(lambda: {_state(http, job) for job in (*jobs, *mortal)} == {"done"}, 60)
        wait_until(lambda: _state(http, failing["id"]) == "failed")
    return Known([*jobs, failing["id"]], mortal, [kept["batch"]], letters[:3], letters[3:])


def _sent(http: httpx.Client, pictures: list[bytes]) -> dict[str, Any]:
    answer = http.post("/v1/images?filters=sepia", files=[("image", ("a.jpg", picture)) for picture in pictures])
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


def _state(http: httpx.Client, job: str) -> str:
    return str(http.get(f"/v1/jobs/{job}").json()["state"])


def _buried(stack: Stack) -> str:
    """The id of a dead letter of a stream that is no more: it stays where it is when all are put back."""
    letter = write(
        Source("image.former:{0}", "former", 0), Entry("1-0", {}), code="gave_up", message="It failed.", worker="w"
    )
    with Redis.from_url(stack.redis_url) as redis:
        entry: bytes = redis.xadd(keys.dead(0), {"data": letter, "entry.data": "{}"})
    return f"0-{entry.decode()}"
