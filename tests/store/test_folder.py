"""A store that is a folder: whole objects, seen by none before, and one failure that is nobody else's."""

import asyncio
import os
import threading
from pathlib import Path

import obstore
import pytest
from obstore.store import LocalStore

from shared import folder
from shared.blobs import BlobStore
from shared.errors import SourceNotFound, StorageUnavailable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(root: Path) -> BlobStore:
    return BlobStore(root.as_uri())


@pytest.fixture(params=["quick", "slow"])
async def paced(request: pytest.FixtureRequest, store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> BlobStore:
    """A store on a disk that is quick, and on one whose latest write was slow."""
    if request.param == "slow":
        monkeypatch.setattr(folder, "_SLOW", -1)
        await store.put_async("inbox/first", b"x")
        await store.delete_async(["inbox/first"])
    return store


@pytest.mark.parametrize("size", [0, 1, 20_000, 3_000_000])
async def test_what_is_put_is_what_is_got(store: BlobStore, size: int) -> None:
    data = os.urandom(size)
    store.put("inbox/one", data)
    await store.put_async("inbox/two", memoryview(data))
    assert bytes(store.get("inbox/one")) == data
    assert bytes(store.get("inbox/two")) == data


async def test_what_is_put_again_replaces_what_was_there(store: BlobStore) -> None:
    await store.put_async("inbox/one", b"longer than the next")
    await store.put_async("inbox/one", b"short")
    assert bytes(await store.get_async("inbox/one")) == b"short"


@pytest.mark.parametrize(
    "key", ["inbox/none", "inbox", "inbox/one/below", f"inbox/{'x' * 300}", "none/one", "inbox/half#1"]
)
def test_a_key_of_nothing_is_said_to_be_one(store: BlobStore, key: str) -> None:
    store.put("inbox/one", b"x")
    (Path(store.url.removeprefix("file://")) / "inbox" / "half#1").touch()
    assert not store.has(key)
    with pytest.raises(SourceNotFound):
        store.get(key)


def test_a_folder_that_is_not_mounted_is_no_empty_store(store: BlobStore, root: Path) -> None:
    (root / ".darkroom").unlink()
    for look in (store.has, store.get):
        with pytest.raises(StorageUnavailable):
            look("inbox/one")


async def test_a_slow_disk_holds_the_event_loop_up_once(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    write = os.write

    def noting(file: int, data: memoryview) -> int:
        threads.append(threading.current_thread())
        return write(file, data)

    monkeypatch.setattr(os, "write", noting)
    await store.put_async("inbox/quick", b"x")
    await store.put_async("inbox/large", bytes(3_000_000))
    monkeypatch.setattr(folder, "_SLOW", -1)
    for name in ("first", "second", "third"):
        await store.put_async(f"inbox/{name}", b"x")
    assert [thread is threading.main_thread() for thread in threads] == [True, False, True, False, False]


async def test_many_at_one_time_are_all_kept(paced: BlobStore) -> None:
    pictures = {f"originals/2026-11-24/local/{n:064}": os.urandom(n) for n in range(200)}
    await asyncio.gather(*(paced.put_async(key, data) for key, data in pictures.items()))
    assert {key: bytes(paced.get(key)) for key in pictures} == pictures


async def test_a_write_that_fails_leaves_nothing_and_hurts_no_other(paced: BlobStore, root: Path) -> None:
    (root / "inbox").mkdir(exist_ok=True)
    (root / "inbox" / "file").touch()
    outcomes = await asyncio.gather(
        *(paced.put_async(f"inbox/{name}", b"x") for name in ("one", "file/below", "two")), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), StorageUnavailable, type(None)]
    assert sorted(path.name for path in (root / "inbox").iterdir()) == ["file", "one", "two"]


async def test_one_caller_that_goes_away_takes_no_other_along(paced: BlobStore) -> None:
    writes = [asyncio.create_task(paced.put_async(f"inbox/{n}", b"x")) for n in range(20)]
    await asyncio.sleep(0)
    writes[0].cancel()
    await asyncio.gather(*writes, return_exceptions=True)
    assert all(bytes(paced.get(f"inbox/{n}")) == b"x" for n in range(1, 20))


def test_what_a_sudden_end_left_is_shown_by_no_listing(store: BlobStore, root: Path) -> None:
    """Names that end in `#` and digits are those that obstore itself passes over."""
    store.put("inbox/one", b"x")
    (root / "inbox" / "two#1234567890123456789").write_bytes(b"half of i")
    pages = list(obstore.list(LocalStore(root), "inbox"))
    assert [meta["path"] for page in pages for meta in page] == ["inbox/one"]


def test_no_object_is_ever_seen_in_part(store: BlobStore, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    write = os.write

    def in_pieces(file: int, data: memoryview) -> int:
        seen.append([path.name for path in (root / "inbox").iterdir() if "#" not in path.name])
        return write(file, data[:1000])

    monkeypatch.setattr(os, "write", in_pieces)
    store.put("inbox/one", bytes(2500))
    assert seen == [[], [], []]
    assert len(store.get("inbox/one")) == 2500


async def read_any_way(store: BlobStore, key: str) -> list[bytes]:
    pieces = [piece async for piece in store.stream(key, start=0, end=4)]
    return [bytes(store.get(key)), bytes(await store.get_async(key)), b"".join(pieces)]


@pytest.mark.parametrize("way", ["file", "folder", "beside", "relative", "two", "circle"])
async def test_no_link_leads_out_of_the_store(store: BlobStore, root: Path, tmp_path: Path, way: str) -> None:
    # The name of the folder beside it begins as that of the store does.
    for outside in (tmp_path / "outside", tmp_path / "blobs-beside"):
        outside.mkdir()
        (outside / "secret").write_bytes(b"xxxx")
    inbox = root / "inbox"
    inbox.mkdir()
    links = {
        "file": [("l", tmp_path / "outside" / "secret")],
        "folder": [("l", tmp_path / "outside")],
        "beside": [("l", tmp_path / "blobs-beside" / "secret")],
        "relative": [("l", Path("../../outside/secret"))],
        "two": [("l", inbox / "m"), ("m", tmp_path / "outside" / "secret")],
        "circle": [("l", inbox / "m"), ("m", inbox / "l")],
    }
    for name, target in links[way]:
        (inbox / name).symlink_to(target)
    key = "inbox/l/secret" if way == "folder" else "inbox/l"
    assert not store.has(key)
    assert await store.head_async(key) is None
    with pytest.raises(SourceNotFound):
        store.get(key)
    with pytest.raises(SourceNotFound):
        await store.get_async(key)
    with pytest.raises(SourceNotFound):
        _ = [piece async for piece in store.stream(key, start=0, end=4)]


@pytest.fixture
def led(root: Path, tmp_path: Path) -> BlobStore:
    """A store whose folder is a link."""
    (tmp_path / "disk").mkdir()
    root.symlink_to(tmp_path / "disk")
    return BlobStore(root.as_uri())


async def test_a_link_inside_the_store_and_a_store_that_is_one_are_followed(led: BlobStore, root: Path) -> None:
    led.put("originals/cat", b"meow")
    (root / "inbox").mkdir()
    (root / "inbox" / "cat").symlink_to(root / "originals" / "cat")
    for key in ("originals/cat", "inbox/cat"):
        assert await read_any_way(led, key) == [b"meow"] * 3


def test_a_folder_that_moves_while_it_is_in_use_is_found(led: BlobStore, root: Path, tmp_path: Path) -> None:
    led.put("inbox/cat", b"meow")
    assert led.has("inbox/cat")
    (tmp_path / "disk").rename(tmp_path / "larger")
    root.unlink()
    root.symlink_to(tmp_path / "larger")
    assert bytes(led.get("inbox/cat")) == b"meow"


def test_a_pipe_in_the_store_holds_nobody_up(store: BlobStore, root: Path) -> None:
    (root / "inbox").mkdir()
    os.mkfifo(root / "inbox" / "pipe")
    with pytest.raises(SourceNotFound):
        store.get("inbox/pipe")
