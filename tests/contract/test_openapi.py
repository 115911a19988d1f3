"""The OpenAPI document against the running product: whatever is sent, what comes back is what the document says."""

import os
import subprocess
import sys
from pathlib import Path
from string import Template

import msgspec
import pytest

from infra.openapi import openapi
from tests.contract.stories import OWNER, Known, tell
from tests.support.stack import Stack

ROOT = Path(__file__).parents[2]
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
#: Requests to one operation that are made at random; as many again are made of each bound of each parameter.
EXAMPLES = 15
#: What must hold for every answer. Left out is that a request which fits the schema is taken: no schema can say that a
#: chain names filters there are, or that a cursor is one that we gave.
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method"),
    *("allow_header_conformance", "ignored_auth"),
)
#: Half of all requests are about what exists. What takes away is kept from what the others ask for.
SETTINGS = Template("""
hooks = "tests.contract.hooks"

[dictionaries]
jobs.values = $jobs
mortal_jobs.values = $mortal_jobs
batches.values = $batches
letters.values = $letters
mortal_letters.values = $mortal_letters

[parameters]
"path.job_id" = { dictionary = "jobs", probability = 0.5 }
"path.batch_id" = { dictionary = "batches", probability = 0.5 }
"query.batch" = { dictionary = "batches", probability = 0.5 }
"path.letter_id" = { dictionary = "letters", probability = 0.5 }

[[operations]]
include-operation-id-regex = "^delete"
parameters."path.job_id" = { dictionary = "mortal_jobs", probability = 0.5 }
parameters."path.letter_id" = { dictionary = "mortal_letters", probability = 0.5 }

[[operations]]
include-operation-id = "postDeadLettersOneReplay"
parameters."path.letter_id" = { dictionary = "mortal_letters", probability = 0.5 }
""")


@pytest.mark.timeout(300)  # a thousand requests: 12 s on a quiet machine
def test_every_answer_is_one_that_the_document_describes(guarded: Stack, photos: list[Path], tmp_path: Path) -> None:
    key = guarded.new_key(OWNER)
    known = tell(guarded, key, photos)
    document, settings = tmp_path / "openapi.json", tmp_path / "schemathesis.toml"
    document.write_bytes(msgspec.json.encode(openapi()))
    settings.write_text(_settings(known))
    command = [
        *(str(SCHEMATHESIS), "--config-file", str(settings), "--no-color", "run", str(document)),
        *("--url", guarded.url, "--header", f"Authorization: Bearer {key}", "--checks", ",".join(CHECKS)),
        *("--phases", "examples,coverage,fuzzing", "--generation-deterministic", "--max-examples", str(EXAMPLES)),
        *("--request-timeout", "10", "--no-shrink", "--continue-on-failure", "--warnings", "off"),
    ]

    environment = {**os.environ, "NO_PROXY": "*", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def _settings(known: Known) -> str:
    return SETTINGS.substitute({name: msgspec.json.encode(getattr(known, name)).decode() for name in Known.__slots__})
