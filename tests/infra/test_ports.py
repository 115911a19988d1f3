"""Ports that are chosen for a program which listens a moment later."""

import socket

import pytest

from infra import ports
from infra.errors import WrongUsage
from shared.service import bind

HOST = "127.0.0.1"


def test_a_chosen_port_can_be_listened_on_again_and_again() -> None:
    port = ports.free_port(HOST)
    for _ in range(2):
        with bind(HOST, port) as listener:
            listener.listen()
            with socket.create_connection((HOST, port)):
                pass


def test_a_port_chosen_for_one_program_is_not_chosen_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ports.free_port(HOST)
    monkeypatch.setattr(ports, "_CANDIDATES", range(chosen, chosen + 1))
    monkeypatch.setattr(ports, "_TRIES", 1)
    with pytest.raises(WrongUsage, match="No free port"):
        ports.free_port(HOST)


def test_nobody_answers_at_a_chosen_port_until_its_program_does() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, ports.free_port(HOST)))


def test_many_choices_keep_few_descriptors() -> None:
    for _ in range(200):
        ports.free_port(HOST)
    assert len(ports._KEPT) <= 64


def test_the_preferred_port_is_taken_when_it_is_free() -> None:
    preferred = ports.free_port(HOST)
    assert ports.free_port(HOST, preferred=preferred) == preferred
    with bind(HOST, preferred) as listener:
        listener.listen()
        assert ports.free_port(HOST, preferred=preferred) != preferred
