from pathlib import Path

import pytest

from tests.reporting.conftest import NETWORK, proto, said
from vital.describing.run_folder import write_labels
from vital.rendering.run_folder import Render, entered
from vital.reporting.facts import Histogram, Link, save_histogram, save_neighbors
from vital.utils.io import as_json


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
