"""Run folders as a stranger could hand them over: no command ends with an error that nobody explained."""

from __future__ import annotations

import pytest

from tests import hostile

SAMPLED = 60
"""How many wounds the slow suite deals, out of about 8,800; the fast one deals none. `tests.hostile` deals all."""


@pytest.mark.slow
def test_every_command_bears_a_wound_of_every_kind_of_file(capfd: pytest.CaptureFixture[str]) -> None:
    failed = hostile.run(SAMPLED)
    assert not failed, capfd.readouterr().out
