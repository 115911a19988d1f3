"""Methods other than those that a route has, over every route there is: they show and change nothing."""

from asyncio import gather
from typing import Final

from shared.api_keys import SCOPES
from tests.security.conftest import Open, Origin
from tests.security.test_matrix import _NOWHERE, NEEDS, UNTOLD, ask, things_of

#: What can reach a route; the parser refuses what is no method of HTTP.
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


async def test_head_is_answered_as_get_is_to_whoever_asks(origin: Origin) -> None:
    """Without a key, without the scope, for what is another's, and for what is not there."""
    names = await things_of(origin, "alice")
    nobody, stranger = {}, origin.key("mallory")
    for path in (path for method, path in NEEDS if method == "GET"):
        needed = NEEDS["GET", path]
        without = origin.key("mallory", *(scope for scope in SCOPES if scope != needed))
        # A stream of events that there is has no end; that of another is refused.
        for headers, shown in ((nobody, names), (without, names), (stranger, names), (nobody, _NOWHERE)):
            head = await ask(origin, "HEAD", path, shown, headers=headers)
            got = await ask(origin, "GET", path, shown, headers=headers)
            assert head.status_code in (got.status_code, 405), path
            assert head.content == b""


async def test_a_method_that_no_route_has_is_refused_on_every_path(origin: Origin) -> None:
    names = await things_of(origin, "alice")
    headers = origin.key("alice")
    asked = [
        (method, path)
        for path in {path for _, path in NEEDS} | UNTOLD
        for method in METHODS
        if (method, path) not in NEEDS and not (path in UNTOLD and method == "GET")
    ]
    shown = {**names, "path": "style.css"}
    answers = await gather(*(ask(origin, method, path, shown, headers=headers) for method, path in asked))
    for (method, path), answer in zip(asked, answers, strict=True):
        assert answer.status_code == 405, (method, path, answer.status_code)
        # What it says to be allowed is what there is.
        known = {method for method, other in NEEDS if other == path} or {"GET"}
        assert set(answer.headers["allow"].split(", ")) <= {*known, "HEAD"}, path
    # And after all of them everything is still there.
    for path in ("/v1/jobs/{job_id}", "/v1/jobs/{job_id}/result", "/v1/dead-letters/{letter_id}"):
        assert (await ask(origin, "GET", path, names, headers=headers)).status_code == 200, path


async def test_options_open_nothing_to_other_origins_unless_they_are_listed(open_origin: Open) -> None:
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "DELETE"}
    closed = await open_origin()
    listed = await open_origin(cors_origins="https://app.example.com")
    for path in {path for _, path in NEEDS}:
        answer = await ask(closed, "OPTIONS", path, headers=asked)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control-")], path
        other = await ask(listed, "OPTIONS", path, headers={**asked, "Origin": "https://evil.example.com"})
        assert "access-control-allow-origin" not in other.headers, path
        preflight = await ask(listed, "OPTIONS", path, headers=asked)
        assert preflight.headers["access-control-allow-origin"] == asked["Origin"]
        assert "access-control-allow-credentials" not in preflight.headers
        # It says what may be asked, and answers nothing of it.
        assert preflight.text == "OK"
