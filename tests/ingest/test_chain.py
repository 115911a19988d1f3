"""The two written forms of a chain say the same, and any other text is refused by name."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chain import parse_chain, short_form
from shared.errors import InvalidParameter, UnknownFilter
from shared.events import FilterSpec

names = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
parameters = st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda name: name != "name")
words = st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda word: word not in ("true", "false", "null"))
values = st.integers(-(10**6), 10**6) | st.booleans() | words | st.floats(-1e6, 1e6, allow_nan=False)
chains = st.lists(
    st.builds(lambda name, rest: {"name": name, **rest}, names, st.dictionaries(parameters, values, max_size=4)),
    max_size=8,
)


@given(chains)
def test_both_forms_read_back_to_the_same_chain(chain: list[FilterSpec]) -> None:
    assert parse_chain(msgspec.json.encode(chain).decode()) == chain
    assert parse_chain(short_form(chain)) == chain


@given(st.text() | st.text('[]{}",:=0a', max_size=40))
def test_any_text_is_a_chain_or_is_refused_by_name(text: str) -> None:
    try:
        chain = parse_chain(text)
    except (InvalidParameter, UnknownFilter):
        return
    assert all(spec["name"] for spec in chain)


def test_a_comma_in_place_of_a_colon_is_explained() -> None:
    with pytest.raises(UnknownFilter, match="behind colons"):
        parse_chain("crop:x=1,y=2")
