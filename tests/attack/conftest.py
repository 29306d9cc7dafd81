"""The same sandbox and leak check as tests/shell; and the attack programs."""

import pytest

from shellkit.attacks import find_attacks
from shellkit.fixtures import *  # noqa: F401,F403


@pytest.fixture
def attack_of(bin):
    """attack_of("01-namespaces"): the built attack programs of a chapter."""
    return find_attacks
