"""`darkroom up --traces`: a Jaeger from PATH runs beside the stack, gets the spans and is linked from the jobs."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from infra import jaeger
from tests.support import stack as stacks
from tests.support.jaeger import trace_of
from tests.support.stack import DARKROOM, Stack
from tests.support.waiting import wait_until
from tests.telemetry.conftest import picture
from tests.telemetry.test_traces import REQUEST, UPLOAD, WORK
from tests.telemetry.tree import edges

ROOT = Path(__file__).parents[2]
#: Stands in for the binary where only the wiring is looked at: it reads the configuration and takes what comes.
STAND_IN = f"""#!{sys.executable}
import json, sys
sys.path.insert(0, {str(ROOT)!r})
from http.server import BaseHTTPRequestHandler, HTTPServer
from tests.support.otlp import read

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        for span in read(self.rfile.read(int(self.headers["content-length"]))):
            print(span.service, span.name, file=open(sys.argv[2] + ".spans", "a"))
        self.send_response(200)
        self.end_headers()

settings = json.load(open(sys.argv[2]))
host, port = settings["receivers"]["otlp"]["protocols"]["http"]["endpoint"].split(":")
HTTPServer((host, int(port)), Handler).serve_forever()
"""


def developed(stack: Stack, filters: str) -> dict[str, Any]:
    """The document of a job that has ended."""
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=20) as http:
        files = {"image": ("a.png", picture(60))}
        (job,) = http.post("/v1/images", files=files, data={"filters": filters}).json()["jobs"]
        wait_until(lambda: http.get(f"/v1/jobs/{job['id']}").json()["finished"], timeout=30)
        document: dict[str, Any] = http.get(f"/v1/jobs/{job['id']}").json()
        return document


def test_without_a_binary_it_says_how_to_get_one(tmp_path: Path) -> None:
    command = [str(DARKROOM), "up", "--traces", "--port", "0", "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(
        command, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "no program named jaeger" in done.stderr
    assert "jaegertracing.io/download" in done.stderr


def test_its_configuration_is_the_one_of_compose_on_the_loopback() -> None:
    theirs = yaml.safe_load((ROOT / "otel/jaeger.yaml").read_text())
    ours = jaeger.configuration(page=1, receiver=2)
    assert ours["service"]["pipelines"] == theirs["service"]["pipelines"]
    assert set(ours["service"]["extensions"]) <= set(theirs["service"]["extensions"])
    assert "0.0.0.0" not in json.dumps(ours)


def test_the_services_send_to_it_and_a_job_links_to_its_trace(tmp_path: Path) -> None:
    binary = tmp_path / "bin" / "jaeger"
    binary.parent.mkdir()
    binary.write_text(STAND_IN)
    binary.chmod(0o755)
    environment = {"PATH": f"{binary.parent}:{os.environ['PATH']}", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    running = stacks.start(tmp_path / "data", "--workers", "1", "--traces", environment=environment)
    try:
        job = developed(running, "sepia")
        settings = json.loads((tmp_path / "data/jaeger.json").read_text())
        page = settings["extensions"]["jaeger_query"]["http"]["endpoint"]
        assert job["trace_url"] == f"http://{page}/trace/{job['trace_id']}"
        got = tmp_path / "data/jaeger.json.spans"
        wait_until(lambda: got.exists() and "results process image.progress" in got.read_text())
    finally:
        assert running.stop() == 0, running.logged()


def test_a_real_jaeger_shows_the_trace_edge_by_edge(tmp_path: Path) -> None:
    if shutil.which("jaeger") is None:
        pytest.skip("there is no jaeger on PATH; it is in no package index that tests install from")
    running = stacks.start(tmp_path / "data", "--workers", "1", "--traces")
    try:
        job = developed(running, "sepia,blur:size=9")
        page = str(job["trace_url"]).split("/trace/")[0]
        expected = Counter([REQUEST, *UPLOAD, *WORK])

        def complete() -> bool:
            return edges(trace_of(page, job["trace_id"])).total() >= expected.total()

        wait_until(complete, timeout=30)
        assert edges(trace_of(page, job["trace_id"])) == expected
    finally:
        assert running.stop() == 0, running.logged()
