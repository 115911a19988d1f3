"""What the pool is asked for: equal work is asked for in the same words."""

import msgspec
import pytest
from opentelemetry.trace import INVALID_SPAN

from services.process import orders
from services.process.filters import canonical, every_filter
from services.process.request import Request
from services.process.settings import ProcessSettings
from shared import keys
from shared.blobs import blob_key
from shared.entries import Entry, Source
from shared.events import FilterSpec, ImageUploaded, Output, Result

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


KEY = blob_key("originals", "local", "0" * 64)
WHOLE = ImageUploaded(source=KEY, job_id="0-1", media_type="image/png", width=3, height=2, bytes_in=70)


@pytest.mark.parametrize("output", [Output(), Output(format="png")])
def test_a_job_that_changes_nothing_has_its_source_as_its_result(output: Output) -> None:
    unchanged = msgspec.structs.replace(WHOLE, output=output)
    assert orders.identity(unchanged) == Result(key=KEY, media_type="image/png", bytes=70, width=3, height=2)


@pytest.mark.parametrize(
    "changed",
    [
        {"filters": [{"name": "flip"}]},
        {"output": Output(format="webp")},
        {"output": Output(quality=80)},
        {"output": Output(metadata="none")},
        {"output": Output(lossless=True)},
        {"media_type": "image/gif"},
        {"media_type": None},
        {"bytes_in": None},
        {"width": None},
        {"height": None},
        {"source": "inbox/cat.png"},
    ],
    ids=str,
)
def test_a_job_that_may_change_something_goes_to_the_pool(changed: dict[str, object]) -> None:
    assert orders.identity(msgspec.structs.replace(WHOLE, **changed)) is None
