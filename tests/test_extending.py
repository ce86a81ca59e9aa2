"""The guide's own parts, from their code blocks to the command line, as a package that is installed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECTION = (
    (ROOT / "docs" / "guide.md").read_text(encoding="utf-8").split("## Your own term")[1].split("\n## ")[0]
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


@dataclass(frozen=True)
class Shell:
    """A folder to work in, with a package in it that is installed."""

    folder: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        paths = os.pathsep.join([str(self.folder), str(ROOT)])
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    folder = tmp_path_factory.mktemp("installed")
    (folder / "my_parts.py").write_text("\n\n".join(blocks("python")))
    groups = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]
    groups["vital.methods"]["unsound"] = "my_parts:Lost"
    lines = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in groups.items()
    ]
    info = folder / "my_parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-parts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(lines))
    return Shell(folder)


def test_each_part_is_short() -> None:
    lines = [[line for line in block.splitlines() if line] for block in blocks("python")]
    assert len(lines) == 5
    assert all(len(block) < 20 for block in lines)


def test_the_command_of_the_guide_renders_by_the_method_of_the_guide(shell: Shell) -> None:
    (command,) = blocks("bash")
    done = shell.run("-m", *shlex.split(command), "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(next(shell.folder.glob("runs/contrast/units/*/contrast-0.json")).read_text())
    assert (record["status"], record["method"]) == ("done", "contrast")
    assert record["provenance"]["term"].startswith("AboveOthers(")


def test_a_part_is_found_by_its_name_from_python(shell: Shell) -> None:
    code = (
        "import vital, my_parts; from vital.terms import OBJECTIVES; from vital.transforms import TRANSFORMS\n"
        "print(OBJECTIVES['above-others'] is my_parts.AboveOthers, TRANSFORMS['mirror'] is my_parts.Mirror,\n"
        "vital.make_method('contrast', share='0.3'))"
    )
    done = shell.run("-c", code)
    assert done.stdout == "True True Contrast(steps=128, lr=0.05, share=0.3)\n"


def test_the_term_of_the_guide_reads_the_place_that_its_unit_names(shell: Shell) -> None:
    code = (
        "import torch, vital, my_parts; from vital.tracing import Tracer\n"
        "model = vital.Model(torch.nn.Conv2d(3, 4, 1), size=(8, 8))\n"
        "with Tracer(model, ['class']) as tracer: trace = tracer(torch.rand(2, 3, 8, 8))\n"
        "act = trace['class']\n"
        "for text, at in (('class:1', act.flatten(2)), ('class:1@2,5', act[:, :, 2, 5:6])):\n"
        "    loss = my_parts.AboveOthers(model.unit(text))(trace)\n"
        "    print(torch.allclose(loss, at.mean((1, 2)) - at[:, 1].mean(1)))"
    )
    done = shell.run("-c", code)
    assert (done.stdout, done.stderr) == ("True\nTrue\n", "")


def test_the_terms_for_large_batches_give_what_a_loop_gives(shell: Shell) -> None:
    code = (
        "import torch, vital, my_parts; from vital.tracing import Tracer; from vital.terms import Looped, Stacked\n"
        "model = vital.Model(torch.nn.Conv2d(3, 4, 1), size=(8, 8))\n"
        "with Tracer(model, ['class']) as tracer: trace = tracer(torch.rand(4, 3, 8, 8))\n"
        "for other in ('class:2', 'class:2@2,5'):\n"
        "    terms = [my_parts.Near(model.unit(u), v) for u, v in (('class:1', 0.5), (other, 2.0))]\n"
        "    made, loop = my_parts.Near.stack(terms), Looped(tuple(terms))\n"
        "    print(type(made).__name__, torch.allclose(made(trace), loop(trace)), len(set(made(trace).tolist())))\n"
        "first = my_parts.Colorless()\n"
        "print(my_parts.Colorless.stack([first, my_parts.Colorless()]) is first, first(trace).shape)\n"
        "terms = [term + first for term in terms]\n"
        "print(vital.optimize(model, terms, vital.params.Pixels(8), steps=2).status)"
    )
    done = shell.run("-c", code)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "Stacked True 4",
        "Looped True 4",
        "True torch.Size([4])",
        "('done', 'done')",
    ]


UNSOUND = (
    "the method 'unsound' of the package my-parts cannot be imported: AttributeError: module 'my_parts' has no "
    "attribute 'Lost'"
)


def test_methods_are_listed_with_those_of_packages_and_a_broken_one_is_one_sentence(shell: Shell) -> None:
    done = shell.run("-m", "vital", "methods")
    assert done.returncode == 0
    assert "\ncontrast\n    Render what a unit responds to more than the others" in done.stdout
    assert "0.5      The probability of a mirrored image." in done.stdout
    assert done.stderr.replace("vital: loading PyTorch …\n", "") == f"vital: warning: {UNSOUND}\n"


def test_asking_for_a_broken_method_is_one_sentence(shell: Shell) -> None:
    done = shell.run(
        "-m", "vital", "render", "world", "class:0", "--method", "unsound", "--out", "runs/lost", "-q"
    )
    assert (done.returncode, done.stderr) == (1, f"vital: {UNSOUND}\n")
