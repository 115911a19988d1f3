"""Log lines: one JSON object each, with the ids that join them, and without secrets or contents."""

import json
import subprocess
import sys
from typing import Any

import pytest

from shared import logs

#: A program of its own: logging is set up once per process.
PROGRAM = """
import logging, structlog
from shared import logs, telemetry
from tests.support.recording import recorded
logs.configure("shop", level="info", log_format="{format}")
log = structlog.get_logger()
{body}
"""


def lines(body: str, *, log_format: str = "json") -> list[dict[str, Any]]:
    return [json.loads(line) for line in output(body, log_format=log_format).splitlines()]


def output(body: str, *, log_format: str = "json") -> str:
    program = PROGRAM.format(format=log_format, body=body)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stdout, "standard output belongs to the commands"
    return done.stderr


def test_a_line_is_one_json_object_with_time_level_and_service() -> None:
    (line,) = lines('log.info("sold", price=3)')
    assert line["timestamp"].endswith("Z")
    assert {key: line[key] for key in ("level", "service", "event", "price")} == {
        "level": "info",
        "service": "shop",
        "event": "sold",
        "price": 3,
    }


def test_a_line_inside_a_span_names_it_and_its_job() -> None:
    body = """
with recorded() as spans:
    span = telemetry.tracer.start("work")
    telemetry.tell_of(span, job_id="0-1")
    log.info("inside")
    print_ids = (span.trace, span.span)
    logging.getLogger("library").warning("%s %s", *print_ids)
"""
    ours, theirs = lines(body)
    assert ours["job_id"] == theirs["job_id"] == "0-1"
    assert f"{ours['trace_id']} {ours['span_id']}" == theirs["event"]
    assert (theirs["trace_id"], theirs["service"]) == (ours["trace_id"], "shop")


def test_a_traceback_shows_no_values_of_variables() -> None:
    body = """
def develop(contents):
    raise ValueError("cannot")
try:
    develop(b"pixels of somebody")
except ValueError:
    log.exception("failed")
"""
    text = output(body)
    (line,) = [json.loads(text)]
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "pixels of somebody" not in json.dumps([frame.get("locals") for frame in line["exception"][0]["frames"]])


def test_passwords_are_left_out_wherever_they_are() -> None:
    body = """
url = "rediss://user:s3cret-word@redis.example:6379/0"
log.info("connecting", url=url, nested={"also": [url]}, signed="https://s3.example/b?sig=s3cret-word&x=1")
logging.getLogger("library").error("no answer from %s", url)
try:
    raise OSError(f"cannot reach {url}")
except OSError:
    log.exception("failed")
"""
    text = output(body)
    assert "s3cret-word" not in text
    assert text.count("rediss://user:***@redis.example:6379/0") == 4
    assert "sig=***&x=1" in text


def test_pretty_lines_leave_passwords_out_as_well() -> None:
    text = output('log.info("connecting", url="redis://:s3cret-word@redis:6379")', log_format="pretty")
    assert "s3cret-word" not in text
    assert "connecting" in text


@pytest.mark.parametrize(
    "harmless", ["http://host:80/a?b=c@d", "at 10:30 me@example.org", "redis://redis:6379/0", "token bucket"]
)
def test_what_is_no_secret_stays(harmless: str) -> None:
    assert logs.without_secrets(None, "", harmless) == harmless


def test_a_level_below_the_one_that_is_set_is_silent() -> None:
    assert [line["event"] for line in lines('log.debug("no"); log.info("yes")')] == ["yes"]
