"""Rules, alerts and the dashboard, with Debian's Prometheus: checked, tested, and fed by the running product."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import yaml
from redis import Redis

from infra.grafana import build, panels
from infra.ports import free_port
from shared import metrics
from tests.support.parts import require
from tests.support.servers import ends_with_us
from tests.support.stack import Stack
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
RULES = ROOT / "infra/prometheus"


def rules_in(name: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load((RULES / name).read_text())["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules_in("alerts.yml")}
#: The embedded server has no limit of memory that a share could be of.
RECORDED = [rule["record"] for rule in rules_in("recording.yml") if rule["record"] != "darkroom:redis_memory:ratio"]


def promtool(*arguments: str) -> None:
    binary = require("promtool", shutil.which("promtool"))
    done = subprocess.run([binary, *arguments], cwd=RULES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_and_the_rules_are_valid() -> None:
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "recording.yml", "alerts.yml")


def test_each_alert_fires_on_its_trouble_and_is_silent_without() -> None:
    promtool("test", "rules", "tests/alerts.yml")


def test_no_alert_is_left_out_of_those_tests() -> None:
    fires, silent = set(), set()
    for case in yaml.safe_load((RULES / "tests/alerts.yml").read_text())["tests"]:
        for check in case["alert_rule_test"]:
            (fires if check["exp_alerts"] else silent).add(check["alertname"])
    assert fires == silent == set(ALERTS)


def test_each_alert_has_its_section_in_the_runbook() -> None:
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert headings == list(ALERTS), "one section per alert, in the same order"
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_making_the_dashboard_anew_changes_nothing() -> None:
    assert build.TARGET.read_text() == build.build(), "run .venv/bin/python -m infra.grafana.build"


def test_the_dashboard_shows_every_metric_and_asks_for_no_other() -> None:
    exposed = {f"{metric.name}{ending}" for metric in metrics.every_metric() for ending in _endings(metric.kind)}
    asked = {name for expr in _expressions() for name in re.findall(r"\b(?:darkroom|http)_\w+\b", expr)}
    asked -= {"http_route", "http_response_status_code", "http_request_method"}
    assert asked - exposed == set()
    shown = {metric.name for metric in metrics.every_metric() if any(metric.name in expr for expr in _expressions())}
    assert {metric.name for metric in metrics.every_metric()} - shown == {"darkroom_purged"}


def _endings(kind: str) -> tuple[str, ...]:
    return {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}[kind]


def _expressions() -> list[str]:
    return [query.expr for panel in panels.every_panel() for query in panel.queries]


@pytest.fixture(scope="module")
def prometheus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes the running product, by our rules, five times a second."""
    binary = require("prometheus", shutil.which("prometheus"))
    folder = tmp_path_factory.mktemp("prometheus")
    targets = {name: address.removeprefix("http://") for name, address in stack.admin.items()}
    configuration = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "500ms"},
        "rule_files": [str(RULES / "recording.yml"), str(RULES / "alerts.yml")],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [target]}]} for name, target in targets.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    port = free_port("127.0.0.1")
    command = [binary, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with (
        ends_with_us(command, log=folder / "log"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client,
    ):
        wait_until(lambda: _is_up(client), timeout=60)
        yield client


def _is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").is_success and len(_ask(client, "up == 1")) == 3
    except httpx.TransportError:
        return False


def _ask(client: httpx.Client, expr: str) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/query", params={"query": expr}).json()
    assert answer["status"] == "success", (expr, answer)
    return [one for one in answer["data"]["result"] if one["value"][1] != "NaN"]


def _something_of_everything(stack: Stack, shade: int) -> None:
    """One job that is done (its webhook refused), one from the cache, one that fails, one dead letter, one stream."""
    picture = bytes(cv2.imencode(".png", np.full((30, 40, 3), shade, np.uint8))[1])
    cut = bytes(cv2.imencode(".png", np.random.default_rng(shade).integers(0, 255, (30, 40, 3), np.uint8))[1])[:2000]
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=20) as http:
        for data, webhook in ((picture, {"webhook": "http://127.0.0.1:9/"}), (picture, {}), (cut, {})):
            fields = {"filters": "sepia", **webhook}
            (job,) = http.post("/v1/images", files={"image": ("a.png", data)}, data=fields).json()["jobs"]
            wait_until(lambda url=f"/v1/jobs/{job['id']}": http.get(url).json()["finished"], timeout=30)  # type: ignore[misc]
    with Redis.from_url(stack.redis_url) as redis:
        redis.xadd("image.uploaded:{0}", {"data": "nonsense"})


@pytest.mark.timeout(240)
def test_every_panel_and_every_recorded_series_has_data(stack: Stack, prometheus: httpx.Client) -> None:
    # A rate needs a counter that was there before it rose.
    _something_of_everything(stack, 1)
    settled = time.time()
    wait_until(lambda: _ask(prometheus, f"min(timestamp(up)) > {settled + 1}"), timeout=30)
    _something_of_everything(stack, 2)

    wait_until(lambda: not _empty(prometheus, _expressions()), timeout=60)
    wait_until(lambda: not _empty(prometheus, RECORDED), timeout=60)


def _empty(client: httpx.Client, expressions: list[str]) -> list[str]:
    return [expr for expr in expressions if not _ask(client, expr)]


def test_the_files_that_grafana_reads_name_what_the_dashboard_asks_for() -> None:
    sources = yaml.safe_load((ROOT / "infra/grafana/provisioning/datasources/prometheus.yaml").read_text())
    dashboard = json.loads(build.TARGET.read_text())
    used = {panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel}
    assert used == {build.SOURCE.uid} <= {source["uid"] for source in sources["datasources"]}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
