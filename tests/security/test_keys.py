"""API keys: who comes in, what a key is for, and how keys change while Darkroom runs."""

import errno
import os
import stat
from pathlib import Path

import pytest

from shared.access import COOKIE, SAFE_COOKIE
from shared.api_keys import KeyFileError, Keyring, add_key, read_keys, revoke_key
from tests.ingest.running import assert_problem
from tests.security.conftest import Open, Origin


async def test_a_request_without_a_key_is_told_how_to_send_one(origin: Origin) -> None:
    answer = await origin.http.get("/v1/jobs")
    assert_problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="darkroom"'


async def test_a_wrong_key_is_as_good_as_none(origin: Origin) -> None:
    _, key = origin.new_key("bob")
    altered = key[:-1] + ("A" if key[-1] != "A" else "B")
    for credentials in (
        f"Bearer {altered}",
        "Bearer dk_00000000_" + "a" * 43,
        "Bearer nonsense",
        "Bearer",
        f"Basic {key}",
    ):
        answer = await origin.http.get("/v1/jobs", headers={"Authorization": credentials})
        assert_problem(answer, 401, "unauthorized")


async def test_the_owner_of_a_job_is_the_name_of_the_key(origin: Origin) -> None:
    headers = origin.key("bob")
    job = await origin.upload(headers)
    assert (await origin.http.get(job["links"]["self"], headers=headers)).json()["owner"] == "bob"


async def test_keys_of_one_name_share_their_jobs(origin: Origin) -> None:
    job = await origin.upload(origin.key("bob"))
    assert (await origin.http.get(job["links"]["self"], headers=origin.key("bob"))).status_code == 200


async def test_keys_are_taken_up_and_dropped_without_a_restart(origin: Origin) -> None:
    record, key = origin.new_key("bob")
    headers = {"Authorization": f"Bearer {key}"}
    assert (await origin.http.get("/v1/jobs", headers=headers)).status_code == 200
    revoke_key(origin.key_file, record.id)
    assert_problem(await origin.http.get("/v1/jobs", headers=headers), 401, "unauthorized")


async def test_without_keys_everybody_is_the_local_user(open_origin: Open) -> None:
    origin = await open_origin(keys=False)
    job = await origin.upload({})
    assert (await origin.http.get(job["links"]["self"])).json()["owner"] == "local"


async def test_a_page_gets_its_key_back_where_no_script_can_read_it(origin: Origin) -> None:
    signed_in = await origin.http.post("/v1/session", headers=origin.key("bob", "read"))
    assert signed_in.json() == {"owner": "bob", "scopes": ["read"], "keys": True}
    cookie = signed_in.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert (await origin.http.get("/v1/jobs")).status_code == 200  # the cookie alone
    await origin.http.delete("/v1/session")
    assert (await origin.http.get("/v1/jobs")).status_code == 401


async def test_behind_a_gateway_that_ends_tls_the_cookie_goes_over_tls_alone(origin: Origin) -> None:
    headers = {**origin.key("bob", "read"), "Host": "darkroom.example.com"}
    for scheme, secure in (("https", True), ("http", False)):
        page = {"Origin": f"{scheme}://darkroom.example.com", "Sec-Fetch-Site": "same-origin"}
        answer = await origin.http.post("/v1/session", headers={**headers, **page})
        cookie = answer.headers["set-cookie"]
        assert ("secure" in cookie.lower().split("; ")) is secure
        # No other host of the domain can lay this one, and it goes to no other.
        assert cookie.startswith("__Host-") is secure
        assert "path=/" in cookie.lower().split("; ")
        assert "domain" not in cookie.lower()


async def test_the_cookie_that_only_this_host_can_set_counts_before_the_other_one(origin: Origin) -> None:
    (_, bobs), (_, mallorys) = origin.new_key("bob"), origin.new_key("mallory")
    cookies = {"Cookie": f"{COOKIE}={mallorys}; {SAFE_COOKIE}={bobs}"}
    assert (await origin.http.get("/v1/session", headers=cookies)).json()["owner"] == "bob"
    gone = (await origin.http.delete("/v1/session")).headers.get_list("set-cookie")
    assert {cookie.split("=")[0] for cookie in gone} == {COOKIE, SAFE_COOKIE}
    # Browsers take no cookie of that name without it, so none is deleted either.
    assert all("secure" in cookie.lower().split("; ") for cookie in gone if cookie.startswith(SAFE_COOKIE))


async def test_a_wrong_key_makes_no_session(origin: Origin) -> None:
    answer = await origin.http.post("/v1/session", headers={"Authorization": "Bearer nonsense"})
    assert_problem(answer, 401, "unauthorized")
    assert "set-cookie" not in answer.headers


def test_a_file_keeps_hashes_for_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    _, key = add_key(file, "bob", ["read"])
    assert key not in file.read_text()
    assert key.split("_", 2)[2] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["", "..", "-x", "a/b", "a b", "a:b", "ä", "x" * 65])
def test_a_name_is_one_that_an_owner_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="A name is"):
        add_key(tmp_path / "keys.json", name, ["read"])


def test_a_file_that_became_unreadable_leaves_the_keys_as_they_were(key_file: Path) -> None:
    _, key = add_key(key_file, "bob", ["read"])
    ring = Keyring(key_file)
    key_file.write_text("{ this is not JSON")
    assert ring.find(key) is not None
    key_file.unlink()
    assert ring.find(key) is not None


def test_a_file_that_others_may_read_stays_so(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    record, _ = add_key(file, "bob", ["read"])
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 12345, 12346)
    before = file.stat()
    add_key(file, "ann", ["read"])
    revoke_key(file, record.id)
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_file_that_cannot_be_read_any_more_is_told_until_it_can(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, key = add_key(key_file, "bob", ["read"])
    ring = Keyring(key_file)
    assert ring.fault() == ""
    revoke_key(key_file, record.id)
    with monkeypatch.context() as private:
        # As for a user who may not; root may read everything.
        private.setattr(Path, "open", _refuse)
        assert ring.find(key) is not None
        assert "Permission denied" in ring.fault()
    assert ring.fault() == ""  # nothing changed about the file
    assert ring.find(key) is None


def _refuse(*_: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


async def test_services_that_cannot_read_their_keys_are_counted(origin: Origin) -> None:
    assert [registry.get_sample_value("darkroom_api_keys_unreadable") for registry in origin.registries] == [0, 0]
    origin.key_file.write_text("nonsense")
    assert [registry.get_sample_value("darkroom_api_keys_unreadable") for registry in origin.registries] == [1, 1]


def test_a_service_does_not_start_with_a_file_that_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be read"):
        Keyring(tmp_path / "none.json")
    (tmp_path / "wrong.json").write_text('{"keys": [{"id": 7}]}')
    with pytest.raises(KeyFileError) as refused:
        read_keys(tmp_path / "wrong.json")
    assert "7" not in str(refused.value)
