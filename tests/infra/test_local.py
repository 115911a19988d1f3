"""`darkroom up` as a person, a script and a power cut meet it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest
from redis import Redis

from infra import local
from shared.access import AccessSettings
from tests.support import stack as stacks
from tests.support.receiver import Receiver
from tests.support.stack import DARKROOM, Stack
from tests.support.waiting import wait_until

Start = Callable[..., Stack]

#: Each starts the whole stack, some of them twice.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts stacks on one data directory, stopped at the end if they still run."""
    with ExitStack() as running:

        def begin(*arguments: str, **environment: str) -> Stack:
            stack = stacks.start(tmp_path / "dark room", *arguments, environment=environment)
            running.callback(stack.stop)
            return stack

        yield begin


def refused(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run an `up` that should not come up; its exit code and what it said."""
    answer = subprocess.run(
        [str(DARKROOM), "up", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert answer.stdout == ""
    return answer.returncode, answer.stderr


def upload(stack: Stack, photo: Path, filters: str) -> str:
    answer = httpx.post(f"{stack.url}/v1/images", params={"filters": filters}, content=photo.read_bytes(), timeout=30)
    assert answer.status_code == 202, answer.text
    job: str = answer.json()["jobs"][0]["id"]
    return job


def state(stack: Stack, job: str) -> str:
    found: str = httpx.get(f"{stack.url}/v1/jobs/{job}").json().get("state", "")
    return found


def descendants(stack: Stack) -> list[psutil.Process]:
    return psutil.Process(stack.pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them runs; what waits to be reaped by init has ended."""
    return all(not process.is_running() or process.status() == psutil.STATUS_ZOMBIE for process in processes)


def test_a_kill_of_everything_loses_no_accepted_job(start: Start, photos: list[Path]) -> None:
    stack = start()
    # More than is done at once, so that the kill meets jobs in every state.
    jobs = [upload(stack, photo, f"blur:size=31,brighten:amount={n}") for n in range(2) for photo in photos]
    everything = descendants(stack)
    stack.kill_group()
    wait_until(lambda: gone(everything))

    again = start()
    wait_until(lambda: {state(again, job) for job in jobs} == {"done"}, timeout=60)


def test_a_kill_of_the_supervisor_alone_leaves_nothing_behind(start: Start) -> None:
    stack = start()
    everything = descendants(stack)
    assert len(everything) >= 4  # the server, two services, and the pool
    os.kill(stack.pid, signal.SIGKILL)
    wait_until(lambda: gone(everything))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_it_and_leaves_nothing_behind(start: Start, photos: list[Path], number: signal.Signals) -> None:
    stack = start()
    jobs = [upload(stack, photo, "blur:size=31") for photo in photos[:4]]
    everything = descendants(stack)
    stack.process.send_signal(number)
    assert stack.process.wait(30) == 0
    assert gone(everything)

    again = start()
    wait_until(lambda: {state(again, job) for job in jobs} == {"done"}, timeout=60)


def test_what_dies_is_started_again(start: Start, photos: list[Path]) -> None:
    stack = start()
    for part in ("valkey-server", "services.process", "infra.origin"):
        victim = next(process for process in descendants(stack) if part in " ".join(process.cmdline()))
        victim.kill()

        def replaced(part: str = part, old: int = victim.pid) -> bool:
            return any(
                process.pid != old and process.status() != psutil.STATUS_ZOMBIE and part in " ".join(process.cmdline())
                for process in descendants(stack)
            )

        wait_until(replaced)
        wait_until(lambda: healthy(stack), timeout=60)
    job = upload(stack, photos[0], "sepia")
    wait_until(lambda: state(stack, job) == "done", timeout=30)


def healthy(stack: Stack) -> bool:
    try:
        answers = [httpx.get(f"{address}/health/ready", timeout=5) for address in stack.admin.values()]
        return all(answer.is_success for answer in answers)
    except httpx.TransportError:
        return False


def test_a_webhook_to_this_machine_is_called_and_one_to_its_network_refused(stack: Stack, photos: list[Path]) -> None:
    data = photos[0].read_bytes()
    with Receiver().running() as receiver:
        sent = {"filters": "grayscale", "webhook": receiver.url}
        accepted = httpx.post(f"{stack.url}/v1/images", params=sent, content=data)
        assert accepted.status_code == 202, accepted.text
        wait_until(lambda: receiver.tries)
        foreign = {"Origin": "https://stranger.example"}
        assert httpx.post(f"{stack.url}/v1/images", params=sent, content=data, headers=foreign).status_code == 403
        inside = {"webhook": "http://192.168.1.1/"}
        assert httpx.post(f"{stack.url}/v1/images", params=inside, content=data).status_code == 422


@pytest.mark.parametrize(
    ("host", "keys", "variables", "alone"),
    [
        ("127.0.0.1", None, {}, True),
        ("::1", None, {}, True),
        ("127.0.0.1", Path("keys.json"), {}, False),
        ("192.168.1.2", None, {"INSECURE": "1"}, False),
        ("127.0.0.1", None, {"INSECURE": "1"}, False),
        ("127.0.0.1", None, {"ALLOWED_HOSTS": "pictures.example"}, False),
        ("127.0.0.1", None, {"CORS_ORIGINS": "https://app.example"}, False),
        ("127.0.0.1", None, {"REDIS_URL": "redis://10.0.0.1"}, False),
    ],
)
def test_webhooks_go_to_the_loopback_where_only_this_machine_can_ask(
    host: str,
    keys: Path | None,
    variables: dict[str, str],
    *,
    alone: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"DARKROOM_{name}", value)
    admin = dict.fromkeys(("ingest", "process", "results"), 1)
    plan = local._Plan(host, 8080, tmp_path, None, admin, keys, None)
    for program in local._services(plan, AccessSettings(), "redis://127.0.0.1"):
        assert program.environment.get("DARKROOM_WEBHOOK_ALLOW_LOOPBACK") == ("true" if alone else None)


def test_a_data_directory_has_one_user(stack: Stack) -> None:
    status, said = refused("--port", "0", "--data-dir", str(stack.data_dir))
    assert status == 2
    assert f"already runs on {stack.data_dir} at {stack.url} (process {stack.pid})" in said


def test_a_taken_port_is_named_with_a_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        status, said = refused("--port", str(port), "--data-dir", str(tmp_path))
    assert status == 2
    assert f"Port {port} at 127.0.0.1 is taken" in said
    assert "--port 0" in said


def test_other_machines_are_kept_out_unless_told_otherwise(tmp_path: Path) -> None:
    status, said = refused("--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path))
    assert status == 2
    assert "can be reached from other machines" in said


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    status, said = refused("--port", "0", "--data-dir", str(tmp_path), DARKROOM_REDIS_URL=url)
    assert status == 1
    assert "DARKROOM_REDIS_URL" in said


def test_it_runs_on_a_server_of_yours(start: Start, debian_redis: str, photos: list[Path], tmp_path: Path) -> None:
    with Redis.from_url(debian_redis) as redis:
        redis.flushall()
    secret = tmp_path / "url"
    secret.write_text(f"{debian_redis}\n")
    stack = start(DARKROOM_REDIS_URL_FILE=str(secret))
    assert stack.redis_url == debian_redis
    job = upload(stack, photos[0], "edge")
    wait_until(lambda: state(stack, job) == "done", timeout=30)
    assert not (stack.data_dir / "redis").exists()


def test_the_queue_of_the_machine_is_closed_to_its_other_users(stack: Stack) -> None:
    with Redis.from_url(stack.redis_url) as redis:
        settings = redis.config_get("append*", "bind", "maxmemory-policy")
        assert settings["appendonly"] == "yes"
        assert settings["appendfsync"] == "everysec"
        assert settings["bind"] == "127.0.0.1"
        assert settings["maxmemory-policy"] == "noeviction"
    secrets = [stack.data_dir / "redis" / "redis.conf", stack.data_dir / "addresses.json", stack.data_dir / "redis"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in secrets)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere its allocator is the system's")
def test_the_queue_of_the_machine_has_a_fast_allocator(stack: Stack) -> None:
    with Redis.from_url(stack.redis_url) as redis:
        server = psutil.Process(redis.info("server")["process_id"])
    assert any("libmimalloc" in region.path for region in server.memory_maps())


def test_two_answers_to_one_question_end_the_start(tmp_path: Path) -> None:
    given = {"DARKROOM_REDIS_URL": "redis://127.0.0.1:1/0", "DARKROOM_REDIS_URL_FILE": str(tmp_path / "url")}
    status, said = refused("--port", "0", "--data-dir", str(tmp_path), **given)
    assert status == 2
    assert "both given" in said
