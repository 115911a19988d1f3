"""Who may do what, over every route there is: a route that is added without a line here fails the first test."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import httpx
import msgspec

from infra.openapi import openapi
from services.ingest.app import IngestService
from services.ingest.documents import Documents
from services.ingest.settings import IngestSettings
from services.ingest.web_app import add_documents
from services.process.obituary import of_unreadable
from services.results.app import make_app
from services.results.obituary import webhook_obituary
from services.results.webhook import read
from shared import groups, keys
from shared.api_keys import SCOPES, Scope
from shared.dead_letters import DeadLetter, write
from shared.entries import Entry, Source
from shared.errors import InvalidEvent
from tests.ingest.pictures import picture
from tests.ingest.running import assert_problem
from tests.security.conftest import Open, Origin

#: What each route needs: a scope; `any` for any valid key; `open` for nothing.
NEEDS: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "/v1/images"): "submit",
    ("POST", "/v1/uploads"): "submit",
    ("GET", "/v1/filters"): "open",
    ("GET", "/v1/session"): "any",
    ("POST", "/v1/session"): "any",
    ("DELETE", "/v1/session"): "open",
    ("GET", "/v1/jobs"): "read",
    ("GET", "/v1/jobs/{job_id}"): "read",
    ("DELETE", "/v1/jobs/{job_id}"): "submit",
    ("POST", "/v1/jobs/{job_id}/retry"): "submit",
    ("GET", "/v1/jobs/{job_id}/result"): "read",
    ("GET", "/v1/jobs/{job_id}/original"): "read",
    ("POST", "/v1/jobs/{job_id}/links"): "read",
    ("GET", "/v1/jobs/{job_id}/events"): "read",
    ("GET", "/v1/events"): "read",
    ("GET", "/v1/batches/{batch_id}"): "read",
    ("GET", "/v1/batches/{batch_id}/archive"): "read",
    ("POST", "/v1/batches/{batch_id}/close"): "submit",
    ("POST", "/v1/archives"): "read",
    ("GET", "/v1/dead-letters"): "operate",
    ("GET", "/v1/dead-letters/{letter_id}"): "operate",
    ("POST", "/v1/dead-letters/replay"): "operate",
    ("POST", "/v1/dead-letters/{letter_id}/replay"): "operate",
    ("DELETE", "/v1/dead-letters/{letter_id}"): "operate",
    ("GET", "/v1/queue"): "operate",
}
#: What OpenAPI does not tell of: pages, documents and health, which everybody may read.
UNTOLD: Final = {
    *("/", "/queue", "/sign-in", "/jobs/{job_id}", "/web/{path}"),
    *("/docs", "/docs/reference.css", "/openapi.json", "/asyncapi", "/health", "/health/live", "/health/ready"),
}
#: Routes that name something of one owner.
OWNED: Final = [route for route in NEEDS if "{" in route[1] or route[1] == "/v1/events"]
#: The dead letters that `things_of` makes: of a job, and of each kind that names none.
LETTERS: Final = ("letter_id", "hook", "hook again", "upload", "progress")
UPLOADS: Final = Source(keys.uploaded(0), keys.PROCESS_GROUP, 0)
HOOKS: Final = Source(keys.hooks(0), keys.HOOKS_GROUP, 0)
#: Ids of nothing.
_NOWHERE: Final = {
    "job_id": "0-01936e6a-1f2b-7c3d-8e4f-5a6b7c8d9e0f",
    "batch_id": "0-nowhere",
    "letter_id": "0-1700000000000-0",
}


def test_every_route_of_the_api_is_in_the_matrix() -> None:
    paths: dict[str, dict[str, Any]] = openapi()["paths"]
    routes = {(method.upper(), path) for path, item in paths.items() for method in item}
    assert {route for route in routes if route[1].startswith("/v1/")} == set(NEEDS)


def test_whatever_else_is_served_is_only_read_and_known() -> None:
    ingest = IngestService(IngestSettings(blob_url="memory:///")).web
    add_documents(ingest, Documents())
    served = {*_served(ingest.routes), *_served(make_app().routes)}
    assert served >= set(NEEDS)
    # HEAD answers as GET does, from the same function.
    untold = {
        (method, path) for method, path in served - set(NEEDS) if (method, ("GET", path) in NEEDS) != ("HEAD", True)
    }
    assert untold == {(method, path) for path in UNTOLD for method in ("GET", "HEAD")}


def _served(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Method and path, as the document writes it, of every route, those of included routers among them."""
    for route in routes:
        if (router := getattr(route, "original_router", None)) is not None:
            yield from _served(router.routes)
        else:
            yield from ((method, route.path_format) for method in route.methods)


async def test_nobody_comes_in_without_a_key(origin: Origin) -> None:
    for method, path in (route for route, needed in NEEDS.items() if needed != "open"):
        assert_problem(await ask(origin, method, path), 401, "unauthorized")


async def test_a_key_without_the_scope_is_refused(origin: Origin) -> None:
    for needed in SCOPES:
        others: list[Scope] = [scope for scope in SCOPES if scope != needed]
        headers = origin.key("alice", *others)
        for method, path in _routes_of(needed):
            answer = await ask(origin, method, path, headers=headers)
            assert sorted(assert_problem(answer, 403, "forbidden")["allowed"]) == sorted(others)


async def test_a_key_with_only_the_scope_passes(origin: Origin) -> None:
    for scope in SCOPES:
        headers = origin.key("alice", scope)
        for method, path in _routes_of(scope):
            answer = await ask(origin, method, path, headers=headers)
            assert answer.status_code not in (401, 403), (method, path, answer.text)


async def test_what_belongs_to_another_owner_is_not_there(origin: Origin) -> None:
    names = await things_of(origin, "alice")
    headers = origin.key("mallory")
    for letter in LETTERS:
        for method, path in OWNED:
            shown = {**names, "letter_id": names[letter]}
            assert_problem(await ask(origin, method, path, shown, headers=headers), 404, "not_found")


async def test_a_letter_that_names_no_job_is_its_owners_all_the_same(origin: Origin) -> None:
    names = await things_of(origin, "alice")
    answer = await origin.http.get("/v1/dead-letters", headers=origin.key("alice"))
    told = {letter["id"]: letter for letter in answer.json()["dead_letters"]}
    assert set(told) == {names[letter] for letter in LETTERS}
    assert {letter["owner"] for letter in told.values()} == {"alice"}
    assert {names[letter] for letter in LETTERS if told[names[letter]]["job_id"] is None} == {
        names[letter] for letter in LETTERS if letter not in ("letter_id", "upload")
    }


async def test_a_letter_of_which_nobody_can_tell_whose_it_is_is_for_all_who_operate(origin: Origin) -> None:
    letter = (await _refused(origin, {b"data": b"{"})).document
    await origin.story.redis.xadd(keys.dead(0), {"data": letter, "entry.data": "{"})
    answer = await origin.http.get("/v1/dead-letters", headers=origin.key("mallory"))
    assert [letter["owner"] for letter in answer.json()["dead_letters"]] == [None]


async def test_lists_show_nothing_of_other_owners(origin: Origin) -> None:
    names = await things_of(origin, "alice")
    headers = origin.key("mallory")
    jobs = await origin.http.get("/v1/jobs", headers=headers)
    of_batch = await origin.http.get("/v1/jobs", params={"batch": names["batch_id"]}, headers=headers)
    letters = await origin.http.get("/v1/dead-letters", headers=headers)
    replayed = await origin.http.post("/v1/dead-letters/replay", headers=headers)
    assert jobs.json()["jobs"] == of_batch.json()["jobs"] == letters.json()["dead_letters"] == []
    assert replayed.json() == {"replayed": [], "remaining": 0, "next": None}


async def test_the_queue_names_no_job_of_another_owner(origin: Origin) -> None:
    job = await origin.upload(origin.key("alice"))
    await groups.ensure(origin.story.redis, UPLOADS)
    await origin.story.redis.xreadgroup(UPLOADS.group, "worker-1", {UPLOADS.stream: ">"}, count=1)
    for owner, named in (("alice", job["id"]), ("mallory", None)):
        document = (await origin.http.get("/v1/queue", headers=origin.key(owner))).json()
        assert {worker["name"]: worker["job"] for worker in document["workers"]} == {"worker-1": named}


async def test_no_archive_holds_a_picture_of_another_owner(origin: Origin) -> None:
    hers, his = [await things_of(origin, owner) for owner in ("alice", "mallory")]
    form = {"job": [his["job_id"], hers["job_id"]]}
    assert_problem(await origin.http.post("/v1/archives", data=form, headers=origin.key("mallory")), 404, "not_found")


async def test_nobody_joins_the_batch_of_another_owner(origin: Origin) -> None:
    await origin.upload(origin.key("alice"), batch="0-shared")
    query = {"batch": "0-shared"}
    answer = await origin.http.post("/v1/images", params=query, content=picture(), headers=origin.key("mallory"))
    assert_problem(answer, 422, "invalid_parameter")


async def test_an_image_in_the_inbox_of_another_owner_cannot_be_named(open_origin: Open) -> None:
    origin = await open_origin(presigned_uploads=True)
    for source in ("inbox/alice/0-1", "inbox/mallory-2/0-1", f"originals/2026-11-24/alice/{'a' * 64}"):
        origin.store.put(source, picture())
    headers = origin.key("mallory")
    for source in (
        *("inbox/alice/0-1", "inbox/mallory-2/0-1", "inbox/mallory/../alice/0-1", "inbox/mallory//0-1"),
        f"originals/2026-11-24/alice/{'a' * 64}",
    ):
        answer = await origin.http.post("/v1/images", params={"source": source}, headers=headers)
        assert_problem(answer, 422, "invalid_parameter")
    assert (await origin.http.get("/v1/jobs", headers=headers)).json()["jobs"] == []


async def test_an_idempotency_key_is_of_its_owner(origin: Origin) -> None:
    one = await origin.upload({**origin.key("alice"), "Idempotency-Key": "same"})
    other = await origin.upload({**origin.key("mallory"), "Idempotency-Key": "same"})
    assert one["id"] != other["id"]


async def things_of(origin: Origin, owner: str) -> dict[str, str]:
    """A done job, its batch and dead letters of each kind of one owner (`LETTERS`)."""
    job = await origin.upload(origin.key(owner))
    key = f"results/2026-11-24/{owner}/{'a' * 64}"
    origin.store.put(key, b"abc")
    await origin.story.finish(job["id"], key=key)
    document = write(
        UPLOADS, Entry("1-0", {}), code="gave_up", message="It failed.", worker="w", job_id=job["id"], owner=owner
    )
    return {
        "job_id": job["id"],
        "batch_id": job["batch"],
        "letter_id": await _buried(origin, document, {b"data": b"{}"}),
        **await _letters_without_a_job(origin, owner),
    }


async def _letters_without_a_job(origin: Origin, owner: str) -> dict[str, str]:
    """A webhook that was given up as it was written and as it came back, and events that are refused as a whole."""
    told = {"type": "job.done", "id": "0-a", "owner": owner, "run": "1", "url": "https://hooks.example.com/secret"}
    hook = {name.encode(): value.encode() for name, value in told.items()}
    again = {b"data": msgspec.json.encode(read(HOOKS, Entry("1-0", hook)))}
    upload = {b"data": msgspec.json.encode({"source": "inbox/a.jpg", "owner": owner, "v": 2})}
    progress = {b"data": msgspec.json.encode({"type": "started", "upload": {"owner": owner}, "run": "one"})}
    refused = await _refused(origin, upload)
    written = {
        "hook": ((await webhook_obituary(HOOKS, Entry("1-0", hook), "w")).document, hook),
        "hook again": ((await webhook_obituary(HOOKS, Entry("1-0", again), "w")).document, again),
        "upload": (refused.document, upload),
    }
    letters = {kind: await _buried(origin, *letter) for kind, letter in written.items()}
    await origin.story.project(progress[b"data"])
    ((newest, _),) = await origin.story.redis.xrevrange(keys.dead(0), count=1)
    return {**letters, "progress": f"0-{newest.decode()}"}


async def _buried(origin: Origin, document: bytes, fields: Mapping[bytes, bytes]) -> str:
    kept: dict[Any, Any] = {b"entry." + name: value for name, value in fields.items()}
    entry: Any = await origin.story.redis.xadd(keys.dead(0), {b"data": document, **kept})
    return f"0-{entry.decode()}"


def _routes_of(scope: Scope) -> list[tuple[str, str]]:
    return [route for route, needed in NEEDS.items() if needed == scope]


async def ask(
    origin: Origin,
    method: str,
    path: str,
    names: Mapping[str, str] = _NOWHERE,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    query = {"batch": names["batch_id"]} if path == "/v1/events" else {}
    return await origin.http.request(method, path.format(**names), params=query, headers=headers)


async def _refused(origin: Origin, fields: dict[bytes, bytes]) -> DeadLetter:
    """What the process service writes of an upload that it cannot read."""
    return await of_unreadable(
        UPLOADS, Entry("1-0", fields), InvalidEvent("No event of ours."), "w", origin.story.redis.hmget
    )
