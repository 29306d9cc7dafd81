"""Everything is in shellkit: tests/attack uses the same."""

from shellkit.fixtures import *  # noqa: F401,F403
