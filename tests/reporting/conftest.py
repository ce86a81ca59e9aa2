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
from vital.reporting.facts import Histogram, Link, save_histogram, save_neighbors
from vital.units import Unit
from vital.utils.io import as_json

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


@pytest.fixture
def rich(run) -> Path:
    """The run folder `run` with a second method, a histogram, neighbors, what feeds a unit, and a silent class."""
    request = Render("vital-scene", {"steps": 4}, 0, 2, ("conv:2", "class:7"))
    with entered(run, NETWORK, request) as opened:
        opened.save(proto("conv:2", method="vital-scene"))
        unit = proto("class:7", method="vital-scene")
        object.__setattr__(unit.unit, "label", "airplane")
        opened.save(unit)
    save_histogram(run, "conv:2", Histogram((0.0, 1.0, 2.0, 3.0), (90.0, 9.0, 1.0), 100))
    save_neighbors(run, "conv:2", [Link("conv:10", 0.8), Link("elsewhere:1", 0.5)], "activations")
    edges = [{"unit": "conv:2", "feeder": "conv:3", "share": 0.25}]
    (run / "circuit.json").write_bytes(as_json({"unit": "conv:2", "edges": edges}))
    write_labels(
        run / "labels.csv", [said("class:7", "clip-dissect", "", 0.1, candidate="blue sky", p_value=0.7)]
    )
    return run


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


@pytest.fixture(scope="session")
def chromium():
    """Chromium, driven by playwright."""
    api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        pytest.skip("there is no Chromium")
    with api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def look(chromium):
    """Opens a page of a folder; at the end nothing may have been complained of."""
    said_by_it, context = [], chromium.new_context(viewport={"width": 1000, "height": 800})

    def failed(request):
        if request.failure != "net::ERR_ABORTED":  # what a page still asks for as it is left
            said_by_it.append(f"{request.url}: {request.failure}")

    def opened(folder, place="index.html"):
        page = context.new_page()
        page.on("console", lambda line: said_by_it.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: said_by_it.append(str(error)))
        page.on("requestfailed", failed)
        page.goto((folder / place).as_uri())
        page.wait_for_selector("html[data-ready]")
        return page

    yield opened
    context.close()
    assert said_by_it == []
