"""The Redis users of docs/security.md, as it tells operators to make them."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

_DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "security.md"
#: Commands of which a user is granted single subcommands.
_CONTAINERS: Final = ("XINFO", "XGROUP")
#: The password of the users in the document.
PASSWORD: Final = "SECRET"


def rule(user: str) -> list[str]:
    """The words of the rule of a user, its name first."""
    found = re.search(rf"ACL SETUSER ({user} (?:.*\\\n)*.*)", _DOCUMENT.read_text("utf-8"))
    assert found is not None, user
    return found[1].replace("\\\n", " ").split()


def on_cluster() -> list[str]:
    """What the services' user needs besides on a Redis Cluster."""
    found = re.search(r"On a Redis Cluster [^`]*`([^`]*)`", _DOCUMENT.read_text("utf-8"))
    assert found is not None
    return found[1].split()


def granted(words: list[str]) -> set[str]:
    """The commands that a rule allows, `xinfo|groups` for a subcommand."""
    return {word[1:] for word in words if word.startswith("+")}


def in_scripts() -> set[str]:
    """The commands that the scripts of `shared/lua` run."""
    texts = [file.read_text("utf-8") for file in (files("shared") / "lua").iterdir() if file.name.endswith(".lua")]
    found = {match for text in texts for match in re.findall(r"call\(\s*'(\w+)'(?:,\s*'([A-Z]+)')?", text)}
    return {f"{name}|{sub}".lower() if name in _CONTAINERS else name.lower() for name, sub in found}
