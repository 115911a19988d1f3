"""Bad input gets a clear answer, before anything is recorded."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.ingest.pictures import picture, png_that_claims
from tests.ingest.running import Running, Start, assert_problem


@pytest.fixture
def redis_url(empty_valkey: str) -> str:
    return empty_valkey


async def assert_nothing_recorded(ingest: Running) -> None:
    assert await ingest.redis.keys("job:*") == []
    assert await ingest.entries() == []
    assert ingest.service.uploads.budget.used == 0


async def post(ingest: Running, content: bytes | None = None, **parameters: str) -> httpx.Response:
    return await ingest.http.post("/v1/images", params=parameters, content=picture() if content is None else content)


async def test_an_unknown_filter_is_named_with_those_there_are(ingest: Running) -> None:
    body = assert_problem(await post(ingest, filters="sepia,blurr"), 422, "unknown_filter")

    assert "blurr" in body["detail"]
    assert body["allowed"] == ["blur", "sepia"]
    await assert_nothing_recorded(ingest)


@pytest.mark.parametrize("chain", ["blur:size=200", '[{"name":"blur","size":200}]'])
async def test_a_wrong_filter_parameter_is_named_with_what_is_allowed(ingest: Running, chain: str) -> None:
    body = assert_problem(await post(ingest, filters=chain), 422, "invalid_parameter")

    assert (body["filter"], body["parameter"]) == ("blur", "size")
    assert body["allowed"]["maximum"] == 99


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("format", "bmp"),
        ("quality", "0"),
        ("quality", "101"),
        ("quality", "8.5"),
        ("quality", "٤"),
        ("lossless", "yes"),
        ("subsampling", "411"),
        ("metadata", "exif"),
        ("frames", "2"),
        ("priority", "high"),
        ("webhook", "ftp://example.org/"),
        ("webhook", "https://"),
        ("webhook", "https://user:secret@example.org/"),
        ("webhook", "http://[::1"),
        ("batch", "../up"),
        ("batch", "a" * 129),
        ("expected", "5"),
        ("filter", "sepia"),
        ("filters", "[[[["),
        ("filters", '[{"name":"blur","x":' + "[" * 3000),
        ("filters", ",".join(["sepia"] * 33)),
    ],
)
async def test_a_wrong_request_parameter_is_refused(ingest: Running, name: str, text: str) -> None:
    assert_problem(await post(ingest, **{name: text}), 422, "invalid_parameter")
    await assert_nothing_recorded(ingest)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:9", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "127.1", "0x7f000001", "localhost"],
)
async def test_a_webhook_that_would_never_be_called_is_refused_at_once(ingest: Running, host: str) -> None:
    body = assert_problem(await post(ingest, webhook=f"http://{host}/x"), 422, "invalid_parameter")

    assert body["parameter"] == "webhook"
    assert "not public" in body["detail"]
    await assert_nothing_recorded(ingest)


async def test_a_webhook_inside_is_taken_as_far_as_the_settings_reach(start: Start) -> None:
    for allowed, statuses in (("loopback", [202, 422]), ("private", [202, 202])):
        ingest = await start(**{f"webhook_allow_{allowed}": True})
        hooks = ("http://127.0.0.1:9/", "http://10.0.0.1/")

        assert [(await post(ingest, webhook=hook)).status_code for hook in hooks] == statuses


async def test_a_parameter_that_comes_twice_is_refused(ingest: Running) -> None:
    response = await ingest.http.post("/v1/images?filters=sepia&filters=blur", content=picture())

    assert assert_problem(response, 422, "invalid_parameter")["parameter"] == "filters"


@pytest.mark.parametrize("wish", [{"lossless": "true"}, {"frames": "all"}])
async def test_a_format_that_cannot_do_what_is_asked_is_refused(ingest: Running, wish: dict[str, str]) -> None:
    body = assert_problem(await post(ingest, format="jpeg", **wish), 422, "invalid_parameter")

    assert body["parameter"] == "format"
    assert (await post(ingest, format="webp", **wish)).status_code == 202


async def test_what_is_no_image_is_415_however_it_is_called(ingest: Running) -> None:
    raw = await ingest.http.post("/v1/images", content=b"hello", headers={"Content-Type": "image/jpeg"})
    part = await ingest.http.post(
        "/v1/images", files=[("image", ("a.png", picture("PNG"))), ("image", ("cat.jpg", b"%PDF-1.7 ..."))]
    )

    assert_problem(raw, 415, "unsupported_media")
    body = assert_problem(part, 415, "unsupported_media")
    assert body["part"] == 2
    assert "cat.jpg" in body["detail"]
    await assert_nothing_recorded(ingest)


async def test_a_body_that_says_it_is_too_big_is_413_before_it_is_read(start: Start) -> None:
    ingest = await start(max_bytes=1000)
    reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
    writer.write(b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n")

    status = await asyncio.wait_for(reader.readline(), 10)

    assert b" 413 " in status
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("multipart", [False, True])
async def test_a_body_of_unknown_length_is_413_at_the_limit(start: Start, multipart: bool) -> None:
    ingest = await start(max_bytes=1000)
    data = picture("PNG") + bytes(2000)

    async def chunks() -> AsyncIterator[bytes]:
        if multipart:
            yield b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n'
        for at in range(0, len(data), 100):
            yield data[at : at + 100]

    kind = "multipart/form-data; boundary=b" if multipart else "image/png"
    response = await ingest.http.post("/v1/images", content=chunks(), headers={"Content-Type": kind})

    assert_problem(response, 413, "too_many_bytes")
    await assert_nothing_recorded(ingest)


async def test_a_header_with_too_many_pixels_is_refused(ingest: Running) -> None:
    body = assert_problem(await post(ingest, png_that_claims(50_000, 50_000)), 422, "too_many_pixels")

    assert (body["width"], body["height"], body["allowed"]) == (50_000, 50_000, 100_000_000)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff\xe0\x00\x10",
        b"\xff\xd8\xff" + b"\x00" * 100_000,
        b"\xff\xd8\xff" + b"\xd0" * 100_000,
        b"\xff\xd8\xff" + b"\xff\xd0" * 100_000,
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08",
        b"RIFF\x10\0\0\0WEBPVP8 ",
        b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + b"\0\0\0\x08free" * 20_000,
        png_that_claims(0, 10),
    ],
    ids=lambda data: data[:12].hex(),
)
async def test_a_header_without_a_size_is_a_damaged_image(ingest: Running, data: bytes) -> None:
    assert_problem(await post(ingest, data), 422, "corrupt_image")


async def test_an_empty_body_is_refused(ingest: Running) -> None:
    assert_problem(await post(ingest, b""), 400, "invalid_request")


@pytest.mark.parametrize(
    "files",
    [
        [("image", ("empty.jpg", b""))],
        [("file", ("a.jpg", b"\xff\xd8\xff"))],
        [("filters", (None, b"sepia"))],
        [("image", ("", b""))],
        [("image", (f"{n}.png", picture("PNG"))) for n in range(65)],
        [("filters", (None, b"\xff\xfe"))],
        [("filters", (None, b"x" * 70_000))],
    ],
    ids=["empty image", "wrong name", "no image", "no file chosen", "65 images", "not UTF-8", "long field"],
)
async def test_a_form_that_cannot_be_used_is_refused(ingest: Running, files: list[object]) -> None:
    response = await ingest.http.post("/v1/images", files=files)

    assert_problem(response, 400, "invalid_request")
    await assert_nothing_recorded(ingest)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=" + "x" * 300, b"--x"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"nonsense"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=image\r\n\r\n" + picture()),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"X: y\r\n" * 100 + b"\r\nx\r\n--b--"),
        ("multipart/form-data; boundary=b", b"--b\r\nX: " + b"y" * 10_000 + b"\r\n\r\nx\r\n--b--"),
    ],
)
async def test_a_body_that_is_no_form_is_refused(ingest: Running, kind: str, body: bytes) -> None:
    response = await ingest.http.post("/v1/images", content=body, headers={"Content-Type": kind})

    assert_problem(response, 400, "invalid_request")
    await assert_nothing_recorded(ingest)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\cat.jpg", "cat.jpg"),
        ("a\u202egpj.exe", "a gpj.exe"),
        ("  snow   day .jpg ", "snow day .jpg"),
        ("猫🐈.jpg", "猫🐈.jpg"),
        ("x" * 400, "x" * 255),
        ("///", None),
    ],
)
async def test_odd_file_names_are_only_ever_shown(ingest: Running, given: str, shown: str | None) -> None:
    response = await ingest.http.post("/v1/images", files={"image": (given, picture())})

    assert response.status_code == 202
    record = await ingest.job(response.json()["jobs"][0]["id"])
    name = f'"name":"{shown}"'
    assert (name in record["event"]) if shown else ('"name"' not in record["event"])


async def test_no_filters_are_offered_before_a_worker_was_there(start: Start) -> None:
    ingest = await start(workers=False)

    listing = await ingest.http.get("/v1/filters")
    upload = await post(ingest)

    for response in (listing, upload):
        assert_problem(response, 503, "no_workers")
        assert int(response.headers["retry-after"]) >= 1


async def test_uploads_beyond_the_budget_are_refused(start: Start) -> None:
    ingest = await start(upload_budget=1000)

    assert_problem(await post(ingest, picture("PNG") + bytes(2000)), 503, "overloaded")
    assert (await post(ingest, picture("PNG"))).status_code == 202
    await assert_budget_free(ingest)


async def assert_budget_free(ingest: Running) -> None:
    assert ingest.service.uploads.budget.used == 0


async def test_a_client_that_goes_quiet_is_given_up(start: Start) -> None:
    ingest = await start(upload_timeout=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
    writer.write(b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n" + picture()[:100])

    status = await asyncio.wait_for(reader.readline(), 10)

    assert b" 400 " in status
    writer.close()
    await writer.wait_closed()
    await assert_budget_free(ingest)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/images", 405), ("GET", "/nothing/here", 404)])
async def test_other_addresses_and_methods_are_problems_too(
    ingest: Running, method: str, path: str, status: int
) -> None:
    response = await ingest.http.request(method, path)

    assert_problem(response, status, {404: "not_found", 405: "method_not_allowed"}[status])
