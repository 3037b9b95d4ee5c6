import os

import pytest
from local_server import LocalServer

from multimodal_ser.download import fetch


@pytest.fixture
def server(monkeypatch):
    """A server on this machine, reached without proxies, pauses or long waits."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv(fetch.OFFLINE_VARIABLE, raising=False)
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(fetch, "TIMEOUT_SECONDS", 5.0)
    # No test here cuts the power, and a busy disk makes each flush slow.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with LocalServer() as server:
        yield server
