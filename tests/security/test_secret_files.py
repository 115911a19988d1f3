"""Secrets from files: `<NAME>_FILE` is as good as `<NAME>`, and what is wrong with one is told without showing it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from clients import errors
from clients.synchronous import Client
from infra.configuration import render
from services.results.settings import ResultsSettings
from shared import blobs
from shared.blobs import BlobStore
from shared.secret_files import SecretFileError, secret
from shared.settings import Settings, takes_file

HOOK_SECRET = "whsec_" + "c2VjcmV0" * 4


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def test_a_secret_setting_comes_from_a_file_without_the_line_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("redis://:pw@queue:6380/1\n")
    monkeypatch.setenv("DARKROOM_REDIS_URL_FILE", str(file))
    settings = Settings()
    assert settings.redis_url == "redis://:pw@queue:6380/1"
    assert "redis_url" in settings.model_fields_set


def test_the_secrets_of_webhooks_come_from_a_file_one_on_a_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(f"{HOOK_SECRET}\n{HOOK_SECRET}\n")
    monkeypatch.setenv("DARKROOM_WEBHOOK_SECRET_FILE", str(file))
    assert ResultsSettings().webhook_secrets == [b"secret" * 4] * 2


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("redis://queue:6379/0", "redis://:p%40ss%2F@queue:6379/0"),
        ("rediss://darkroom@queue:6379/0?ssl_ca_certs=/x", "rediss://darkroom:p%40ss%2F@queue:6379/0?ssl_ca_certs=/x"),
    ],
)
def test_a_password_of_its_own_goes_into_the_url(
    url: str, whole: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("p@ss/")
    monkeypatch.setenv("DARKROOM_REDIS_PASSWORD_FILE", str(file))
    monkeypatch.setenv("DARKROOM_REDIS_URL", url)
    assert Settings().redis_url == whole


def test_two_passwords_are_refused_and_neither_is_shown() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(redis_url="redis://:one-password@queue", redis_password="another")  # type: ignore[arg-type]
    assert "one-password" not in str(refused.value)


def test_a_value_and_a_file_for_it_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("redis://one")
    monkeypatch.setenv("DARKROOM_REDIS_URL", "redis://other")
    monkeypatch.setenv("DARKROOM_REDIS_URL_FILE", str(file))
    with pytest.raises(SecretFileError, match="DARKROOM_REDIS_URL and DARKROOM_REDIS_URL_FILE are both given"):
        Settings()


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (None, "No such file"),
        (b" \n", "is empty"),
        (b"\xff\xfe\0", "not text"),
        (b"x" * 70_000, "more than 65536"),
    ],
)
def test_a_file_that_holds_no_secret_ends_the_start(
    contents: bytes | None, why: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if contents is not None:
        file.write_bytes(contents)
    monkeypatch.setenv("DARKROOM_REDIS_PASSWORD_FILE", str(file))
    with pytest.raises(SecretFileError, match=why) as refused:
        Settings()
    assert "DARKROOM_REDIS_PASSWORD_FILE" in str(refused.value)


def test_the_credentials_of_a_bucket_come_from_files(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(blobs, "from_url", lambda _, **options: given.update(options))
    file.write_text("key\n")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(file))
    BlobStore("s3://bucket")
    assert given["config"] == {"aws_secret_access_key": "key"}


def test_the_key_of_a_client_comes_from_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_API_KEY_FILE", str(file))
    with pytest.raises(errors.WrongUsage, match="DARKROOM_API_KEY_FILE names cannot be read"):
        Client()
    file.write_text("dk_key\n")
    with Client() as client:
        assert client._http.headers["Authorization"] == "Bearer dk_key"


def test_what_is_no_secret_is_not_looked_for_in_files(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_LEASE_FILE", str(file))
    assert Settings().lease == Settings.model_fields["lease"].default


def test_without_either_there_is_no_secret() -> None:
    assert secret("DARKROOM_NEVER_GIVEN") is None


def test_the_documentation_tells_which_settings_take_a_file() -> None:
    told = {line.split("`")[1] for line in render().splitlines() if line.endswith("*Or a file.* |")}
    fields = {**Settings.model_fields, **ResultsSettings.model_fields}
    assert told == {f"DARKROOM_{name.upper()}" for name, field in fields.items() if takes_file(field)}
