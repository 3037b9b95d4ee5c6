"""The verb ``app``: what it refuses, and what it says, without serving anything."""

import socket
import sys

import pytest

from multimodal_ser.cli import main
from multimodal_ser.reports import consent


def test_help_says_what_is_allowed(capsys):
    with pytest.raises(SystemExit):
        main(["app", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert consent.CONSENT in said and consent.LIMITS in said


def test_without_its_extra_it_says_which(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nicegui", None)
    assert main(["app", "--no-browser"]) == 2
    assert "multimodal-ser[app]" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_refused(capsys):
    assert main(["app", "--model", "no-such-model", "--no-browser"]) == 2
    assert "no-such-model" in capsys.readouterr().err


def test_a_port_that_is_taken_is_refused(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["app", "--port", port, "--no-browser"]) == 2
    assert port in capsys.readouterr().err


def test_another_host_is_warned_of(capsys):
    # An address that no machine has (RFC 5737): it is refused after the warning.
    assert main(["app", "--host", "192.0.2.1", "--no-browser"]) == 2
    assert "warning" in capsys.readouterr().err


def test_a_model_of_numbers_is_refused_before_anything_is_served(tmp_path, capsys):
    (tmp_path / "regressor.json").write_text("{}")
    assert main(["app", "--model", str(tmp_path), "--no-browser"]) == 2
    assert str(tmp_path) in capsys.readouterr().err
