"""Secrets never reach a log, whatever goes wrong: tried on the whole product with every log line there is."""

import re
from pathlib import Path

import httpx
import pytest

from shared.api_keys import SCOPES, add_key
from tests.ingest.pictures import picture
from tests.support import stack as stacks
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(360)


def test_no_key_link_or_password_is_logged(tmp_path: Path) -> None:
    _, key = add_key(tmp_path / "keys.json", "bob", SCOPES)
    running = stacks.start(tmp_path, environment={"DARKROOM_LOG_LEVEL": "debug"})
    try:
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=running.url, headers=headers, trust_env=False, timeout=30) as http:
            http.post("/v1/session")
            http.get("/v1/jobs", headers={"Authorization": f"Bearer {key}x"})
            job = http.post("/v1/images", params={"filters": "sepia"}, content=picture()).json()["jobs"][0]
            self_link = job["links"]["self"]
            wait_until(lambda: http.get(self_link).json()["state"] == "done", timeout=60)
            link = http.post(f"{self_link}/links").json()["url"]
            with httpx.Client(base_url=running.url, trust_env=False, timeout=30) as stranger:
                assert stranger.get(link).status_code == 200
                assert stranger.get(link + "x").status_code == 403
                assert stranger.get(self_link).status_code == 401
    finally:
        code = running.stop()
    logged = running.logged()
    assert code == 0, logged
    signature = re.search(r"signature=([\w-]+)", link)
    assert signature is not None
    for secret in (
        key,
        key.split("_", 2)[2],
        signature.group(1),
        (tmp_path / "link-secret").read_text().strip(),
        next(tmp_path.rglob("password")).read_text(),
    ):
        assert secret not in logged
