from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from vital.cli.app import app

HEAVY = {
    "torch",
    "torchvision",
    "numpy",
    "PIL",
    "kornia",
    "jinja2",
    "matplotlib",
    "sklearn",
    "scipy",
    "transformers",
    "diffusers",
    "open_clip",
    "timm",
    "tqdm",
}
SHOW = "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})), file=sys.stderr)"
COMMANDS = [
    command.name or command.callback.__name__ for command in app.registered_commands if command.callback
]


def loaded_by(code: str, **environment: str) -> tuple[set[str], str]:
    """The packages that a program has loaded at its end, and what it printed."""
    own = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\ntry:\n    {code}\nfinally:\n    {SHOW}"],
        env={**os.environ, **own, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    (shown,) = (line for line in done.stderr.splitlines() if line.startswith('["'))
    return set(json.loads(shown)), done.stdout


def commands(*lines: str) -> str:
    """A program that runs some command lines."""
    return f"from vital.cli import main; [main(words.split()) for words in {lines!r}]"


def test_importing_vital_loads_nothing_heavy() -> None:
    loaded, _ = loaded_by("import vital; dir(vital); vital.errors, vital.VitalError")
    assert "vital" in loaded
    assert not loaded & HEAVY


def test_a_public_object_loads_no_more_than_it_needs() -> None:
    loaded, _ = loaded_by("import vital; vital.render, vital.describe, vital.compare, vital.report")
    assert "torch" in loaded
    assert not loaded & (HEAVY - {"torch", "numpy", "PIL", "tqdm"})


def test_the_help_of_every_command_and_the_version_load_nothing_heavy() -> None:
    assert len(COMMANDS) > 10
    lines = [
        "--help",
        "--version",
        *(f"{name} --help" for name in COMMANDS),
        "lwta --help",
        "lwta train --help",
    ]
    loaded, said = loaded_by(commands(*lines))
    assert said.count("Usage: vital") == len(lines) - 1
    assert not loaded & HEAVY


def test_a_wrong_command_line_loads_nothing_heavy() -> None:
    loaded, _ = loaded_by(commands("rendr", "render", "render world class:0"))
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    ("typed", "offered"), [("vital re", "render\nreport\n"), ("vital render --see", "--seed\n")]
)
def test_completion_loads_nothing_heavy(typed: str, offered: str) -> None:
    asked = {"_VITAL_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    loaded, said = loaded_by("from vital.cli import main; main()", **asked)
    assert said == offered
    assert not loaded & HEAVY
