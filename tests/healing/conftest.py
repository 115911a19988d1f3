"""A small fleet of real processes whose server, network and store the tests take away and bring back."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.chaos import fleet as fleets
from tests.chaos.fleet import Member
from tests.support import system as systems
from tests.support.proxy import Proxy
from tests.support.system import System as Bare

LEASE = 2.0


@dataclass(kw_only=True)
class System(Bare):
    """The fleet, reached by its services through a proxy."""

    proxy: Proxy

    @property
    def server(self) -> Member:
        return self.fleet.server


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder: Path = tmp_path_factory.mktemp("healing")
    fleet = fleets.build(folder, "", process=1, ingest=1, results=1, lease=LEASE)
    proxy = Proxy(fleet.port)
    fleet.lead_through(proxy.port)
    with (
        proxy.running(),
        httpx.Client(trust_env=False, timeout=15) as client,
        systems.started(System(fleet, client, proxy=proxy)) as system,
    ):
        yield system


@pytest.fixture
def system(started: System) -> System:
    return systems.well(started)
