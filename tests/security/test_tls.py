"""Redis over TLS with a user that may do what docs/security.md says and nothing more, for the whole of Darkroom."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as NoConnection

from infra.ports import free_port
from shared import keys
from shared.connections import connect
from shared.errors import RateLimited
from shared.quotas import Quotas
from tests.chaos import fleet as fleets
from tests.support import acl
from tests.support import system as systems
from tests.support.parts import require
from tests.support.servers import ends_with_us
from tests.support.system import System, encoded
from tests.support.waiting import eventually, wait_until

#: What ends an open page, which no request of this test does.
RARE = {"unsubscribe"}


@dataclass
class Secure:
    """A server that speaks TLS alone and lets nobody in but its users. `admin` may do everything."""

    port: int
    certificate: Path
    admin: Redis
    folder: Path

    @property
    def url(self) -> str:
        """Where the services' user finds it; the password comes apart."""
        return f"rediss://services@127.0.0.1:{self.port}/0?ssl_ca_certs={quote(str(self.certificate))}"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("secure")
    openssl = require("openssl", shutil.which("openssl"))
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=redis")
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate))
    subprocess.run([openssl, *made, *names], check=True, capture_output=True)
    port = free_port("127.0.0.1")
    command = [require("redis-server", shutil.which("redis-server")), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--save", ""]
    command += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--requirepass", "operator"]
    with (
        ends_with_us(command, log=folder / "server.log") as process,
        Redis("127.0.0.1", port, password="operator", ssl=True, ssl_ca_certs=str(certificate)) as admin,
    ):
        wait_until(lambda: process.poll() is not None or _answers(admin))
        admin.execute_command("ACL", "SETUSER", *acl.rule("services"))
        yield Secure(port, certificate, admin, folder)


def _answers(admin: Redis) -> bool:
    try:
        return bool(admin.ping())
    except NoConnection:
        return False


@pytest.fixture(scope="module")
def system(secure: Secure) -> Iterator[System]:
    fleet = fleets.build(secure.folder / "fleet", "", process=1, ingest=1, results=1, lease=2)
    password = secure.folder / "password"
    password.write_text(acl.PASSWORD)
    settings = {
        "DARKROOM_REDIS_URL": secure.url,
        "DARKROOM_REDIS_PASSWORD_FILE": str(password),
        "DARKROOM_JANITOR_INTERVAL": "0.5",
        "DARKROOM_WEBHOOK_ALLOW_PRIVATE": "true",
        "DARKROOM_WEBHOOK_FIRST_DELAY": "0.1",
    }
    for member in fleet.members:
        member.environment = {**member.environment, **settings}
    with (
        httpx.Client(trust_env=False, timeout=15) as client,
        systems.started(System(fleet, client), server=False) as system,
    ):
        yield system


async def test_the_services_work_with_the_rights_of_the_rule_and_need_every_one(secure: Secure, system: System) -> None:
    _use_everything(system, secure.admin)
    await _use_up_quotas(secure)
    for member in system.fleet.members:
        member.end()
        assert member.status == 0
    assert secure.admin.acl_log() == []
    used = {name.removeprefix("cmdstat_") for name in secure.admin.info("commandstats")}
    granted = acl.granted(acl.rule("services"))
    assert granted - used - acl.in_scripts() == RARE
    assert acl.in_scripts() <= granted


async def test_nobody_comes_in_without_tls_without_the_password_or_to_a_server_that_is_not_known(
    secure: Secure,
) -> None:
    known = f"127.0.0.1:{secure.port}/0?ssl_ca_certs={quote(str(secure.certificate))}"
    for url, refusal in (
        (f"redis://services:{acl.PASSWORD}@127.0.0.1:{secure.port}/0", NoConnection),
        (f"rediss://services:wrong@{known}", AuthenticationError),
        (f"rediss://default:{acl.PASSWORD}@{known}", AuthenticationError),
        (f"rediss://services:{acl.PASSWORD}@127.0.0.1:{secure.port}/0", NoConnection),
    ):
        async with connect(url) as redis:
            with pytest.raises(refusal):
                await redis.ping()


async def _use_up_quotas(secure: Secure) -> None:
    """Ask for more than one key may, until the next second allows more."""
    async with connect(secure.url.replace("services@", f"services:{acl.PASSWORD}@")) as redis:
        quotas = Quotas(redis, requests="1/second", kibibytes="1/day")
        await quotas.count_bytes("0a1b2c3d", 1000)
        with pytest.raises(RateLimited):
            await quotas.check_bytes("0a1b2c3d", 1000)

        async def allowed() -> bool:
            try:
                await quotas.request("0a1b2c3d")
            except RateLimited:
                return False
            return True

        assert await allowed()
        assert not await allowed()
        await eventually(allowed)


def _use_everything(system: System, admin: Redis) -> None:
    """What users and operators ask for, each once."""
    ingest, results = system.fleet.ingest[0], system.fleet.results[0]

    def sent() -> str:
        query = {"filters": "sepia", "webhook": f"http://127.0.0.1:{free_port('127.0.0.1')}/"}
        answer = system.client.post(f"{ingest}/v1/images", params=query, content=encoded(0))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobs"][0]["id"])

    def letters() -> list[str]:
        found = system.client.get(f"{results}/v1/dead-letters").raise_for_status().json()["dead_letters"]
        return [letter["id"] for letter in found]

    first = sent()
    events = system.client.get(f"{results}/v1/jobs/{first}/events").raise_for_status()
    assert '"done"' in events.text
    second = sent()
    system.develops(second)
    batch = system.client.get(f"{results}/v1/jobs/{second}").json()["batch"]
    for path in (f"jobs/{first}/result", f"jobs?batch={batch}", "jobs", f"batches/{batch}", "queue"):
        system.client.get(f"{results}/v1/{path}").raise_for_status()
    system.client.delete(f"{results}/v1/jobs/{first}").raise_for_status()
    wait_until(lambda: admin.zcard(keys.hooks_delayed(0)))
    admin.xadd(keys.uploaded(0), {"data": "no event"})
    (letter,) = wait_until(letters)
    system.client.post(f"{results}/v1/dead-letters/{letter}/replay").raise_for_status()
    (again,) = wait_until(lambda: [one for one in letters() if one != letter])
    system.client.delete(f"{results}/v1/dead-letters/{again}").raise_for_status()
    system.client.get(f"{ingest}/health").raise_for_status()
    for kind in ("ingest", "process", "results"):
        (member,) = system.fleet.of(kind)
        system.client.get(f"http://127.0.0.1:{member.environment['DARKROOM_ADMIN_PORT']}/metrics").raise_for_status()
