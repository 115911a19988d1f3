"""Chains are checked, completed and limited before a pixel is touched."""

from typing import Any

import jsonschema_rs
import pytest

from services.process.chain import run_chain
from services.process.filters import canonical, documents, read_chain
from services.process.limits import Limits
from services.process.picture import Picture
from shared.catalogue import check_chain
from shared.errors import DarkroomError, InvalidParameter, TooManyFilters, TooManyPixels, UnknownFilter
from tests.process.pictures import noise


def test_the_canonical_chain_has_every_default_in_a_fixed_order() -> None:
    short = canonical([{"name": "blur"}, {"name": "resize", "height": 3}])
    long = canonical([{"sigma": 0.0, "size": 9.0, "name": "blur"}, {"name": "resize", "width": None, "height": 3}])
    assert short == long
    assert [list(spec) for spec in short] == [["name", "size", "sigma"], ["name", "width", "height", "fit", "enlarge"]]


def test_an_unknown_filter_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownFilter, match=r"'blurr'.*blur, brighten") as caught:
        read_chain([{"name": "blurr"}])
    assert caught.value.details["filter"] == "blurr"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": "blur", "size": 0}, "size"),
    ({"name": "blur", "size": 8}, "size"),
    ({"name": "blur", "size": "9"}, "size"),
    ({"name": "blur", "size": True}, "size"),
    ({"name": "blur", "size": 9.5}, "size"),
    ({"name": "blur", "sigma": float("nan")}, "sigma"),
    ({"name": "blur", "radius": 3}, "radius"),
    ({"name": "flip", "direction": "up"}, "direction"),
    ({"name": "resize", "width": 0}, "width"),
    ({"name": "negative", "x": 1}, "x"),
]


@pytest.mark.parametrize(("spec", "parameter"), WRONG)
def test_a_wrong_parameter_is_named(spec: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidParameter, match=f"filter {spec['name']}: parameter {parameter}: ") as caught:
        read_chain([spec])
    assert caught.value.details["parameter"] == parameter
    assert caught.value.details["allowed"] is not None


@pytest.mark.parametrize("spec", [spec for spec, _ in WRONG if "sigma" not in spec])
def test_the_published_schemas_refuse_what_the_engine_refuses(spec: dict[str, Any]) -> None:
    with pytest.raises(DarkroomError):
        check_chain([spec], documents())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": "blur", "size": 8}, "size: 8 does not fit: Width of the blur in pixels, an odd number (1 to 99)."),
        (
            {"name": "crop", "width": -1},
            "width: -1 does not fit: Width in pixels; none goes to the right edge (1 to 65535).",
        ),
        ({"name": "blur", "size": 101}, "size: 101 is greater than the maximum of 99."),
        ({"name": "blur", "siz": 9}, "siz: there is none of this name; there are sigma, size."),
        ({"name": "negative", "x": 1}, "x: there is none of this name; this filter has none."),
    ],
)
def test_the_published_schemas_refuse_in_words(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_chain([spec], documents())
    assert caught.value.message == f"filter {spec['name']}: parameter {words}"
    assert caught.value.details["parameter"] == words.partition(":")[0]


def test_low_above_high_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="filter edge: low must not be above high"):
        read_chain([{"name": "edge", "low": 200}])


def test_every_filter_documents_itself_and_its_parameters() -> None:
    for document in documents():
        jsonschema_rs.Draft202012Validator(document.parameters).validate({})
        assert document.summary.endswith((".", ")"))
        for schema in document.parameters.get("properties", {}).values():
            assert schema["description"].endswith(".")
            assert "default" in schema


def test_a_result_that_would_be_too_large_is_refused_before_it_is_made() -> None:
    with pytest.raises(TooManyPixels, match="filter resize: the result has 60000×60000"):
        run_chain(Picture(noise(10, 10)), read_chain([{"name": "resize", "width": 60000}]), Limits())


def test_a_crop_outside_the_picture_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="filter crop: parameter x: 10 is outside this picture"):
        run_chain(Picture(noise(10, 10)), read_chain([{"name": "crop", "x": 10}]), Limits())


def test_a_chain_that_is_too_long_is_refused() -> None:
    with pytest.raises(TooManyFilters, match="at most 3 filters, this one has 4"):
        Limits(filters=3).check_filters(4)
