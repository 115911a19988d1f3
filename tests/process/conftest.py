"""Fixtures of the engine's tests."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage

from services.process.request import Request
from shared.blobs import BlobStore
from shared.events import Output

cv2.setNumThreads(1)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(f"file://{tmp_path}/blobs")


@pytest.fixture
def ask(store: BlobStore) -> Callable[..., Request]:
    """Store some bytes and make the request to develop them."""

    def asked(data: bytes, *filters: dict[str, object], **output: object) -> Request:
        store.put("inbox/picture", data)
        return Request(
            job_id="0-a", source="inbox/picture", owner="local", filters=list(filters), output=Output(**output)
        )

    return asked


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A real photo: the rocket of scikit-image's data, H×W×3 BGR."""
    return cv2.imread(str(Path(skimage.__file__).parent / "data" / "rocket.jpg"), cv2.IMREAD_COLOR)
