"""What an object's length allows is decided before its bytes are read, in a folder and in any other store."""

from pathlib import Path

import pytest

from shared.blobs import BlobStore
from shared.errors import TooManyBytes


@pytest.mark.parametrize("kind", ["folder", "other"])
def test_a_reader_may_refuse_an_object_by_its_length(kind: str, tmp_path: Path) -> None:
    store = BlobStore(f"file://{tmp_path}/blobs" if kind == "folder" else "memory:///")
    store.put("inbox/one", b"0123456789")
    told: list[int] = []
    assert bytes(store.get("inbox/one", check=told.append)) == b"0123456789"
    assert told == [10]

    def refuse(size: int) -> None:
        raise TooManyBytes(f"{size} bytes")

    with pytest.raises(TooManyBytes, match="10 bytes"):
        store.get("inbox/one", check=refuse)
