import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from vital.describing.run_folder import write_labels
from vital.records import Description, Prototype
from vital.rendering import save_exemplars
from vital.rendering.natural_exemplars import Exemplar
from vital.rendering.run_folder import Render, entered
from vital.units import Unit

NETWORK = {
    "spec": "net.py:make",
    "name": "net",
    "weights": "random",
    "weights_hash": "5e" * 32,
    "size": [16, 16],
}


def proto(unit, status="done", method="vital", seed=0):
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand(3, 16, 16, generator=draw)
    return Prototype(Unit.parse(unit), image, image[0], method, seed, status, provenance={"percentile": 99.5})


def said(unit, method, label, score=0.5, **more):
    return Description(Unit.parse(unit), method, label, score, model="net", **more)


@pytest.fixture
def run(tmp_path) -> Path:
    """A run folder of three units: one with all there is, one that failed, and one that is not rendered yet."""
    folder = tmp_path / "mine"
    request = Render(
        "vital", {"steps": 4}, 0, 2, ("conv:2", "conv:10", "conv:3"), images={"hash": "ab" * 32, "count": 7}
    )
    with entered(folder, NETWORK, request) as opened:
        opened.save(proto("conv:2"))
        opened.save(proto("conv:10", "diverged at step 3: the loss is not finite"))
    unit, image = Unit.parse("conv:2"), torch.rand(3, 16, 16)
    kept = [
        Exemplar(unit, image, image[0], i, f"image {i}.png", 2.0 - i, "activation", "lrp zplus")
        for i in (0, 1)
    ]
    save_exemplars(folder, kept)
    write_labels(
        folder / "labels.csv",
        [
            said("conv:2", "truth", "red cube", 0.9),
            said("conv:2", "clip-dissect", "a red cube", 0.8, p_value=0.01, others=(("cone", 0.2),)),
            said("conv:2", "prototype", "red cone", 0.3),
            said("conv:10", "clip-dissect", "", 0.1, candidate="sea", p_value=0.6),
        ],
    )
    (folder / "scores.csv").write_text("method,row,mrr\ndnd,,0.5\ndnd,constant word,0.1\n")
    return folder


@pytest.fixture(scope="session")
def browser():
    """What a page looks like to a browser after its script ran: its DOM as text, for a page and what follows its #."""
    program = next(
        (
            found
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (found := shutil.which(name))
        ),
        "",
    )
    if not program:
        pytest.skip("there is no Chromium")

    def opened(file: Path, state: str = "") -> str:
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
        ended = subprocess.run(
            [program, *words, f"{file.resolve().as_uri()}#{state}"],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return ended.stdout

    return opened
