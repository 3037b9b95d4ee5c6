import pytest

from . import cases


@pytest.fixture(scope="session")
def case():
    """Clips of eight actors, audio that knows more and video that knows less."""
    return cases.truth_and_tables()
