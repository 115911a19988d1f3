"""The studio page as a person sees it: what tests do there, by the words on it."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path

import httpx
from playwright.sync_api import Locator, Page, expect

#: Builds files in the page and hands them to `%s` as a drop or a paste does.
_HAND_OVER = """(files) => {
  const transfer = new DataTransfer();
  for (const { name, type, data } of files) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  return transfer;
}"""


class Studio:
    """`page` is the browser's page, `url` the origin of the product."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self, query: str = "") -> "Studio":
        self.page.goto(f"{self.url}/{query}")
        self.wait_ready()
        return self

    def reload(self) -> None:
        self.page.reload()
        self.wait_ready()

    def wait_ready(self) -> None:
        self.page.wait_for_selector("body[data-ready]")

    def choose(self, *paths: Path) -> None:
        self.page.set_input_files("#files", list(paths))

    def drop(self, *paths: Path) -> None:
        transfer = self.page.evaluate_handle(_HAND_OVER, _told(paths))
        for event in ("dragenter", "dragover", "drop"):
            self.page.dispatch_event("body", event, {"dataTransfer": transfer})

    def drop_from_disk(self, *paths: Path) -> None:
        """Let go of files or folders over the page as the desktop does: the browser itself reads them."""
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        session = self.page.context.new_cdp_session(self.page)
        for kind in ("dragEnter", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
        session.detach()

    def paste(self, *paths: Path) -> None:
        hand_over = f"(files) => dispatchEvent(new ClipboardEvent('paste', {{clipboardData: ({_HAND_OVER})(files)}}))"
        self.page.evaluate(hand_over, _told(paths))

    def add(self, name: str) -> Locator:
        """Add a filter from the menu; returns its card."""
        self.button("Add a filter").click()
        self.page.get_by_role("button", name=re.compile(f"^{name}")).and_(self.page.locator(".menu-item")).click()
        return self.cards.last

    def develop(self) -> None:
        self.button(re.compile("^Develop")).click()

    def wait_developed(self, count: int) -> None:
        word = "photo" if count == 1 else "photos"
        expect(self.status).to_contain_text(re.compile(f"^{count} {word} developed"), timeout=60_000)

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name, exact=isinstance(name, str))

    def stop_preview(self) -> None:
        self.page.get_by_role("switch", name="Preview while I edit").uncheck()

    @property
    def cards(self) -> Locator:
        return self.page.locator("#steps > li")

    @property
    def chain(self) -> list[str]:
        return self.cards.locator("h3").all_inner_texts()

    @property
    def status(self) -> Locator:
        return self.page.locator(".status")

    @property
    def tiles(self) -> Locator:
        return self.page.locator("#sheet").get_by_role("option")

    @property
    def compares(self) -> Locator:
        """The stage once it shows before and after."""
        return self.page.locator(".stage[data-compares]")

    @property
    def result_url(self) -> str:
        address = self.page.locator(".layer.after img").get_attribute("src")
        assert address is not None
        return self.url + address

    def jobs(self) -> list[dict[str, object]]:
        """The documents of all jobs on the table, by the batches that this tab knows."""
        kept = self.page.evaluate("JSON.parse(sessionStorage.getItem('table') ?? '[]')")
        found: list[dict[str, object]] = []
        for batch in sorted({entry["batch"] for entry in kept}):
            found += httpx.get(f"{self.url}/v1/jobs", params={"batch": batch, "limit": 200}).json()["jobs"]
        return found


def _told(paths: Sequence[Path]) -> list[dict[str, str]]:
    types = {".jpg": "image/jpeg", ".png": "image/png", ".txt": "text/plain"}
    return [
        {"name": path.name, "type": types[path.suffix], "data": base64.b64encode(path.read_bytes()).decode()}
        for path in paths
    ]
