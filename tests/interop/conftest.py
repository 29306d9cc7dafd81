"""The same sandbox and leak check as tests/shell."""

from shellkit.fixtures import *  # noqa: F401,F403
