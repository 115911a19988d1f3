"""The rules for a bucket (`infra/s3/lifecycle.json`), put on a real S3 server as whoever runs the bucket would."""

import hmac
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from xml.etree import ElementTree as ET

import httpx
import msgspec
import pytest

from infra.s3 import lifecycle
from shared.blobs import BlobStore
from tests.s3.conftest import BUCKET, KEY, S3, SECRET, Weed

pytestmark = pytest.mark.timeout(300)

REGION: Final = "us-east-1"
#: What a store answers that does not know the call (Amazon S3, error responses).
UNKNOWN: Final = {"NotImplemented", "MethodNotAllowed"}


def test_a_real_store_takes_the_rules_and_keeps_them_beside_the_blobs(s3: S3, weed: Weed) -> None:
    rules = msgspec.json.decode(lifecycle.FILE.read_bytes())["Rules"]
    answer = _lifecycle(weed.port, "PUT", _as_xml(rules))
    if answer.status_code in (405, 501) or _code(answer.text) in UNKNOWN:
        pytest.skip(f"this S3 server has no lifecycle rules: {answer.text}")
    assert answer.status_code == 200, answer.text
    kept = _lifecycle(weed.port, "GET")
    assert kept.status_code == 200, kept.text
    assert _told(kept.text) == {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules}
    # The rules are for what comes, and nothing of that is in the way of the blobs.
    store = BlobStore(s3.url)
    for prefix in ("originals", "results", "inbox"):
        key = f"{prefix}/2026-11-24/bob/ruled"
        store.put(key, b"x")
        assert bytes(store.get(key)) == b"x"
    assert _lifecycle(weed.port, "DELETE").status_code == 204


def _as_xml(rules: list[dict[str, Any]]) -> bytes:
    """The document that `aws s3api` makes of the file."""
    root = ET.Element("LifecycleConfiguration", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    for rule in rules:
        element = ET.SubElement(root, "Rule")
        ET.SubElement(element, "ID").text = rule["ID"]
        ET.SubElement(ET.SubElement(element, "Filter"), "Prefix").text = rule["Filter"]["Prefix"]
        ET.SubElement(element, "Status").text = rule["Status"]
        ET.SubElement(ET.SubElement(element, "Expiration"), "Days").text = str(rule["Expiration"]["Days"])
    return ET.tostring(root)


def _told(document: str) -> dict[str, int]:
    """Days by prefix of the rules that a store says it has."""
    plain = re.sub(r' xmlns="[^"]*"', "", document)
    return {
        rule.findtext("Filter/Prefix") or rule.findtext("Prefix") or "": int(rule.findtext("Expiration/Days") or 0)
        for rule in ET.fromstring(plain).iter("Rule")
    }


def _code(document: str) -> str:
    return "".join(re.findall("<Code>(.*?)</Code>", document))


def _lifecycle(port: int, method: str, body: bytes = b"") -> httpx.Response:
    """Ask for the rules of the bucket, or put them; signed by AWS Signature Version 4, as obstore does for objects."""
    now = datetime.now(UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"host": f"127.0.0.1:{port}", "x-amz-content-sha256": sha256(body).hexdigest(), "x-amz-date": stamp}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"{method}\n/{BUCKET}\nlifecycle=\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
    scope = f"{day}/{REGION}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    url = f"http://127.0.0.1:{port}/{BUCKET}?lifecycle="
    return httpx.request(method, url, content=body, headers=headers, trust_env=False, timeout=30)
