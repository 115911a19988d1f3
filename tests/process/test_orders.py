"""What the pool is asked for: equal work is asked for in the same words."""

import pytest
from opentelemetry.trace import INVALID_SPAN

from services.process import orders
from services.process.filters import canonical, every_filter
from services.process.request import Request
from services.process.settings import ProcessSettings
from shared import keys
from shared.entries import Entry, Source
from shared.events import FilterSpec, ImageUploaded

SOURCE = Source(keys.uploaded(0), keys.PROCESS_GROUP, 0)


def asked(*filters: FilterSpec) -> Request:
    upload = ImageUploaded(source="inbox/cat", filters=[*filters])
    return orders.request(orders.Order(SOURCE, Entry("1-1", {}), upload, "0-1", INVALID_SPAN), ProcessSettings())


def test_the_same_work_in_another_spelling_is_the_same() -> None:
    short = asked({"name": "blur"})
    assert (
        asked({"size": 9, "name": "blur"}).work == asked({"name": "blur", "sigma": 0, "size": 9.0}).work == short.work
    )
    assert asked({"name": "blur", "size": 5}).work != short.work


@pytest.mark.parametrize("name", every_filter())
def test_the_canonical_chain_is_a_chain_with_the_same_meaning(name: str) -> None:
    written_out = canonical([{"name": name}])
    assert canonical(written_out) == written_out


def test_a_chain_that_is_wrong_is_handed_on_as_it_is() -> None:
    assert asked({"name": "blurr"}).filters == [{"name": "blurr"}]
