"""Fixtures of the app's tests."""

from __future__ import annotations

import pytest
from playing import Idle, play

from multimodal_ser.app.jobs import Crew


@pytest.fixture
def crew():
    """A crew of one, whose child only plays."""
    made = Crew(1, None, play)
    yield made
    made.close()


@pytest.fixture
def idle():
    """A crew that does nothing."""
    return Idle()
