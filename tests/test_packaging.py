"""What is shipped, what it is called, and whether README, CHANGELOG and CI say the same."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import vital
from vital.cli import doctor

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def setup_commands() -> list[str]:
    """The README's shell blocks under the heading of the two commands, joined to one line each.

    Not among them is the block of those who have no GPU, which is known by its index.
    """
    section = README.split("## Two commands")[1].split("\n## ")[0]
    blocks = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    return [joined(block) for block in blocks if "--index-url" not in block]


def joined(block: str) -> str:
    return " ".join(block.replace("\\\n", " ").split())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "vital",
        "objectives",
        "regularizers",
        "tests",
        "examples",
    ):
        (source / name).symlink_to(ROOT / name)
    build = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_vital_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"vital", f"vital_fv-{vital.__version__}.dist-info"}


def test_the_wheel_holds_the_page_of_the_report(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    parts = {path.relative_to(ROOT).as_posix() for path in (ROOT / "vital" / "reporting" / "page").iterdir()}
    assert len(parts) == 6
    assert parts <= names


def test_the_wheel_holds_every_source_file_and_the_typing_mark(wheel: Path) -> None:
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("vital/")}
    wanted = {p.relative_to(ROOT).as_posix() for p in (ROOT / "vital").rglob("*.py")} | {"vital/py.typed"}
    assert shipped >= wanted


def test_the_wheel_carries_licence_and_command(wheel: Path) -> None:
    held = zipfile.ZipFile(wheel)
    info = f"vital_fv-{vital.__version__}.dist-info"
    assert f"{info}/licenses/LICENSE" in held.namelist()
    assert "vital = vital.cli:main" in held.read(f"{info}/entry_points.txt").decode()
    assert "License-Expression: Apache-2.0" in held.read(f"{info}/METADATA").decode()


def test_the_newest_version_in_the_changelog_is_this_one() -> None:
    found = re.findall(
        r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found[0] == vital.__version__


def test_what_is_installed_is_this_version() -> None:
    try:
        installed = metadata.version(PROJECT["name"])
    except metadata.PackageNotFoundError:
        pytest.skip("vital runs from the folder, not installed")
    assert installed == vital.__version__


def test_the_readme_has_two_commands_that_start_from_nothing() -> None:
    commands = setup_commands()
    assert len(commands) == 2
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands)
    assert "vital demo" in commands[0]
    assert "pytest" in commands[1]


def test_without_a_gpu_the_readme_begins_as_the_page_about_it_does() -> None:
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    page = (ROOT / "docs" / "howto" / "cpu.md").read_text(encoding="utf-8")
    assert "--index-url" in blocks[0]
    assert joined(page.split("```bash\n")[1]).startswith(joined(blocks[0]).replace(" && ", " "))


def test_ci_runs_exactly_the_readmes_test_command() -> None:
    assert setup_commands()[1] in CI.splitlines()


def test_all_is_every_extra_that_users_have() -> None:
    extras = PROJECT["optional-dependencies"]
    (everything,) = extras["all"]
    assert (
        everything == f"vital-fv[{','.join(name for name in extras if name not in ('all', 'dev', 'docs'))}]"
    )


def test_every_requirement_has_a_lower_bound_and_no_upper_one() -> None:
    listed = [
        *PROJECT["dependencies"],
        *(r for extra in PROJECT["optional-dependencies"].values() for r in extra),
    ]
    assert [
        r for r in listed if not r.startswith("vital-fv[") and not re.fullmatch(r"[\w-]+>=[\d.]+", r)
    ] == []


def names(requirements: list[str]) -> set[str]:
    """The packages that requirements name, as distributions spell them."""
    found = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {match[0].lower().replace("_", "-") for match in found if match}


def brought() -> dict[str, set[str]]:
    """What each extra brings that users have."""
    extras = PROJECT["optional-dependencies"]
    return {extra: names(extras[extra]) for extra in extras if extra not in ("all", "dev", "docs")}


def test_the_doctor_looks_at_all_that_belongs_to_vital() -> None:
    listed = {package.lower().replace("_", "-"): extra for package, extra in doctor.OPTIONAL.items()}
    assert {name.replace("_", "-") for name in doctor.NEEDED} == names(PROJECT["dependencies"])
    assert {package for package, extra in listed.items() if extra} == set().union(*brought().values())
    assert all(package in brought()[extra] for package, extra in listed.items() if extra)


def test_no_extra_brings_what_every_installation_has() -> None:
    base = names(PROJECT["dependencies"])
    assert {extra: sorted(own & base) for extra, own in brought().items() if own & base} == {}


IMPORTED_AS = {
    "PIL": "pillow", "sklearn": "scikit-learn", "skimage": "scikit-image", "threadpoolctl": "scikit-learn",
    "click": "typer", "markupsafe": "jinja2", "yaml": "pyyaml", "huggingface_hub": "",
}  # fmt: skip
"""What imports are installed as, or by what; the last is looked at where it happens to be."""
ASKED_FIRST = {"datasets", "ray", "timm", "wandb"}
"""Extras that are imported by name, where their absence is met."""


def test_what_vital_imports_by_name_belongs_to_every_installation() -> None:
    base, lost = names(PROJECT["dependencies"]), {}
    for path in (ROOT / "vital").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module or ""]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                continue
            for top in {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"vital"}:
                if IMPORTED_AS.get(top, top) not in {*base, *ASKED_FIRST, ""}:
                    lost[top] = path.relative_to(ROOT).as_posix()
    assert lost == {}, "import it with `package(...)`, which names the extra, or add it to the dependencies"


def test_the_citation_is_of_this_version_and_licence() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == vital.__version__
    assert cited["license"] == PROJECT["license"]
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()


def test_every_form_of_an_issue_can_be_filled_in() -> None:
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) == 4
    for form in forms:
        held = yaml.safe_load(form.read_text(encoding="utf-8"))
        if form.name != "config.yml":
            assert {"name", "description", "body"} <= held.keys()
            assert len({part["id"] for part in held["body"]}) == len(held["body"])


def test_the_workflow_runs_the_scripts_that_there_are() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    run = re.findall(r"run: bash (\S+)", text)
    assert run == [".ci/run", ".ci/wheel", ".ci/lowest", ".ci/audit"]
    assert all(os.access(ROOT / script, os.X_OK) for script in run)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 150
