import json
import os
import subprocess
import sys

HEAVY = (
    "jinja2",
    "matplotlib",
    "torchvision",
    "transformers",
    "diffusers",
    "open_clip",
    "timm",
    "ray",
    "kornia",
    "sklearn",
)
SHOW = "import json, sys; print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"


def loaded_by(code: str) -> set[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {SHOW}"], env=environment, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_importing_vital_and_its_command_line_loads_nothing_heavy() -> None:
    loaded = loaded_by("import vital, vital.cli")
    assert "torch" in loaded
    assert "vital" in loaded
    assert not loaded & set(HEAVY)
