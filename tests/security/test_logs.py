"""Secrets never reach a log, whatever goes wrong: tried on the whole product with every log line there is."""

import json
import re
from pathlib import Path

import httpx
import pytest
from opentelemetry.trace import StatusCode

from shared.api_keys import SCOPES, add_key
from shared.logs import without_secrets
from shared.redaction import redacted
from shared.trace_context import Recorded
from tests.ingest.pictures import picture
from tests.support import stack as stacks
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(360)

PATH, TOKEN = "path-of-a-receiver", "token-of-a-receiver"
WEBHOOK_SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = "dk_0123abcd_" + "k" * 43
#: What a library may quote, with what of it is a secret.
QUOTED = {
    "Error 111 connecting to redis://services:pa/ss?w#or@d@redis:6379/0.": "pa/ss?w#or@d",
    "no route to rediss://:p%40ss@10.0.0.1:6380": "p%40ss",
    "https://user:secret-word@hooks.example.com/x refused": "secret-word",
    "GET http://s3:8333/b/k?X-Amz-Credential=AKIAEXAMPLE%2F20261124&X-Amz-Expires=300": "AKIAEXAMPLE",
    "GET http://s3:8333/b/k?X-Amz-Expires=300&X-Amz-Signature=0f0f0f&x-id=GetObject": "0f0f0f",
    "PUT http://s3:8333/b/k?X-Amz-Security-Token=FwoGZXIv": "FwoGZXIv",
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261124, Signature=0f0f0f": "0f0f0f",
    "/v1/jobs/0-1/result?owner=bob&expires=1&signature=c2lnbmVk": "c2lnbmVk",
    f"header Authorization: Bearer {KEY} was not understood": "k" * 43,
    "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc": "eyJhbGciOiJIUzI1NiJ9",
    f"cannot sign with whsec_{WEBHOOK_SECRET}": WEBHOOK_SECRET,
    "connect(host='redis', password='pa ss-word', db=0)": "ss-word",
    "{'username': 'services', 'password': 'pass-word'}": "pass-word",
    "{'password': b'pass-word'}": "pass-word",
    'password="pa\\"ss-word"': "ss-word",
    "password='pass-word that nobody closed": "pass-word",
    '{"secret_access_key": "wJalrXUtnFEMI", "region": "x"}': "wJalrXUtnFEMI",
    "AWS_SECRET_ACCESS_KEY: wJalrXUtnFEMI": "wJalrXUtnFEMI",
    "https://sign-in.example/callback?access_token=2YotnFZFEjr1": "2YotnFZFEjr1",
    "grant_type=client_credentials&client_secret=7Fjfp0ZBr1": "7Fjfp0ZBr1",
    "Authorization: Basic YWxhZGRpbjpzZXNhbWU=": "YWxhZGRpbjpzZXNhbWU",
    "{'authorization': 'Basic YWxhZGRpbjpzZXNhbWU='}": "YWxhZGRpbjpzZXNhbWU",
}


@pytest.mark.parametrize(("text", "secret"), QUOTED.items())
def test_a_secret_that_a_library_quotes_reaches_neither_a_log_nor_a_span(text: str, secret: str) -> None:
    assert secret in text
    line = without_secrets(None, "error", json.dumps({"event": "it failed", "error": text}))
    assert secret not in line
    assert "***" in line
    assert json.loads(line)["event"] == "it failed"
    span = Recorded(lambda _: None, "any", "1" * 32, "2" * 16, 1, "ingest")
    error = ConnectionError(text)
    span.record_exception(error)
    span.set_status(StatusCode.ERROR, str(error))
    assert secret not in str(span.events)
    assert secret not in span.status_message


def test_what_is_no_secret_stays_readable() -> None:
    for text in (
        "http://127.0.0.1:8080/v1/jobs/0-1/result?run=2 answered 503",
        "redis://redis:6379/0 is away",
        "the signature of a link is wrong",
        "the token bucket is empty; tokens=5",
        "secrets: 3, keys: 2, design: round",
    ):
        assert redacted(text) == text


def test_the_gateway_writes_no_signature_of_a_link() -> None:
    options = (Path(__file__).parents[2] / "infra/docker/Caddyfile").read_text().partition(":8080 {")[0]
    assert re.search(r"log \{\s+format filter \{\s+wrap json\s+fields \{\s+request>uri query \{", options)
    assert re.search(r"^\s+replace signature \*\*\*$", options, re.MULTILINE)


def test_no_key_link_or_password_is_logged(tmp_path: Path) -> None:
    _, key = add_key(tmp_path / "keys.json", "bob", SCOPES)
    environment = {
        "DARKROOM_LOG_LEVEL": "debug",
        "DARKROOM_WEBHOOK_SECRET": f"whsec_{WEBHOOK_SECRET}",
        "DARKROOM_WEBHOOK_ALLOW_PRIVATE": "true",
    }
    running = stacks.start(tmp_path, environment=environment)
    try:
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=running.url, headers=headers, trust_env=False, timeout=30) as http:
            http.post("/v1/session")
            http.get("/v1/jobs", headers={"Authorization": f"Bearer {key}x"})
            query = {"filters": "sepia", "webhook": f"http://127.0.0.1:9/{PATH}?token={TOKEN}"}
            job = http.post("/v1/images", params=query, content=picture()).json()["jobs"][0]
            wait_until(lambda: "webhook failed" in running.logged(), timeout=60)
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
        WEBHOOK_SECRET,
        PATH,
        TOKEN,
        (tmp_path / "link-secret").read_text().strip(),
        next(tmp_path.rglob("password")).read_text(),
    ):
        assert secret not in logged
