"""What other sites can make a browser send, and what answers say to browsers."""

import httpx

from tests.ingest.pictures import picture
from tests.ingest.running import assert_problem
from tests.security.conftest import Open, Origin

STRANGER = "https://stranger.example"


async def test_a_page_of_another_site_changes_nothing(open_origin: Open) -> None:
    origin = await open_origin(keys=False)
    job = await origin.upload({})
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine
        {"Origin": STRANGER},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
    ):
        uploaded = await origin.http.post("/v1/images", content=picture(), headers=headers)
        deleted = await origin.http.delete(job["links"]["self"], headers=headers)
        assert_problem(uploaded, 403, "forbidden")
        assert_problem(deleted, 403, "forbidden")
    assert (await origin.http.get(job["links"]["self"])).json()["state"] == "queued"


async def test_our_own_page_and_programs_may(open_origin: Open) -> None:
    origin = await open_origin(keys=False)
    for headers in ({}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin", "Origin": origin.url}):
        await origin.upload(headers)


async def test_a_name_that_leads_here_by_a_strangers_will_is_refused(open_origin: Open) -> None:
    origin = await open_origin(keys=False, allowed_hosts="pictures.example, darkroom")
    for name, known in {
        "rebound.example": False,
        "localhost.stranger.example": False,
        "pictures.example.stranger.example": False,
        "localhost": True,
        "127.0.0.1:8080": True,
        "[::1]:8080": True,
        "Pictures.Example:443": True,
        "darkroom": True,
    }.items():
        for path in ("/v1/jobs", "/", "/v1/filters"):
            answer = await origin.http.get(path, headers={"Host": name})
            assert (answer.status_code == 200) is known, (name, path, answer.text)
            if not known:
                assert_problem(answer, 403, "forbidden")


async def test_health_is_told_under_any_name(open_origin: Open) -> None:
    origin = await open_origin(keys=False)
    assert (await origin.http.get("/health/live", headers={"Host": "10-0-0-7.pods"})).status_code == 200


async def test_no_other_origin_reads_an_answer_unless_it_is_listed(origin: Origin) -> None:
    headers = {**origin.key("bob"), "Origin": STRANGER}
    assert not _cors(await origin.http.get("/v1/jobs", headers=headers))
    assert not _cors(await _preflight(origin))


async def test_a_listed_origin_may_use_a_key_but_no_cookie(open_origin: Open) -> None:
    origin = await open_origin(cors_origins=f"{STRANGER}/")
    assert _cors(await _preflight(origin)) == {"access-control-allow-origin": STRANGER}
    headers = {**origin.key("bob"), "Origin": STRANGER, "Sec-Fetch-Site": "cross-site"}
    answer = await origin.http.post("/v1/images", content=picture(), headers=headers)
    assert answer.status_code == 202
    assert _cors(answer) == {"access-control-allow-origin": STRANGER}
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_page_of_a_listed_origin_reads_why_it_was_refused(open_origin: Open) -> None:
    origin = await open_origin(cors_origins=STRANGER, rate_limit="1/hour")
    headers = {**origin.key("bob"), "Origin": STRANGER}
    assert (await origin.http.get("/v1/jobs", headers=headers)).status_code == 200
    refused = await origin.http.get("/v1/jobs", headers=headers)
    assert_problem(refused, 429, "rate_limited")
    assert _cors(refused) == {"access-control-allow-origin": STRANGER}
    assert "retry-after" in refused.headers["access-control-expose-headers"].lower()
    other = await origin.http.post("/v1/images", headers={**headers, "Origin": "https://other.example"})
    assert_problem(other, 403, "forbidden")
    assert not _cors(other)


async def test_pages_run_only_what_comes_from_us(origin: Origin) -> None:
    for path in ("/", "/queue", "/sign-in", "/jobs/0-1", "/docs"):
        answer = await origin.http.get(path)
        assert answer.status_code == 200, path
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"


async def test_bytes_of_strangers_never_run_as_a_page_of_ours(origin: Origin) -> None:
    headers = origin.key("bob")
    job = await origin.upload(headers)
    answer = await origin.http.get(job["links"]["original"], headers=headers)
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_no_path_leads_out_of_what_is_served(origin: Origin) -> None:
    headers = origin.key("bob")
    for path in (
        "/web/../settings.py",
        "/web/%2e%2e/settings.py",
        "/web/..%2f..%2fpyproject.toml",
        "/web//etc/passwd",
        "/v1/jobs/..%2f..%2fetc/result",
        "/v1/jobs/%00/result",
        "/v1/batches/..%2f../archive",
    ):
        # The client would tidy the path up, so it is sent as it is written.
        url = httpx.URL(origin.url).copy_with(raw_path=path.encode())
        answer = await origin.http.get(url, headers=headers)
        assert answer.status_code in (400, 404), (path, answer.status_code)


async def _preflight(origin: Origin) -> httpx.Response:
    asked = {
        "Origin": STRANGER,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    return await origin.http.request("OPTIONS", "/v1/images", headers=asked)


def _cors(answer: httpx.Response) -> dict[str, str]:
    name = "access-control-allow-origin"
    return {name: answer.headers[name]} if name in answer.headers else {}
