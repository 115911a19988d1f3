"""A process may take a share of the partitions."""

import pytest
from pydantic import ValidationError

from shared.settings import StageSettings


@pytest.mark.parametrize(
    ("take", "taken"),
    [("", [0, 1, 2, 3, 4, 5]), ("2", [2]), ("0-2", [0, 1, 2]), ("5, 0 - 1,1", [0, 1, 5])],
)
def test_a_share_is_a_list_of_partitions_and_none_means_all(take: str, taken: list[int]) -> None:
    assert StageSettings(partitions=6, take=take).taken == taken


@pytest.mark.parametrize("take", ["6", "4-6", "3-2", "one", "1;2", "-1", ","])
def test_a_share_that_does_not_exist_ends_the_start(take: str) -> None:
    with pytest.raises(ValidationError, match=r"take|partitions"):
        StageSettings(partitions=6, take=take)
