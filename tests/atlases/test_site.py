from pathlib import Path

import pytest

import vital
from tests.atlases.conftest import Maker
from vital.atlases import prepare
from vital.atlases.site import UNTRAINED, WORLD, write_pages
from vital.describing.run_folder import write_labels
from vital.errors import DataError
from vital.records import Description
from vital.units import Unit
from vital.world.scenes.dataset import images


def test_the_site_of_the_built_in_network_says_what_it_is(tmp_path: Path) -> None:
    context = prepare(
        vital.load_model("world"), ["planted:0"], images(8), tmp_path / "site", methods=["vital"], steps=2
    )
    write_labels(context.run / "labels.csv", [Description(Unit.parse("planted:0"), "truth", "a cube", 1.0)])
    write_pages(context)
    assert WORLD in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_the_site_of_a_network_without_given_weights_says_so(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\nSIZE = 64\ndef make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))\n"
    )
    for weights, said in ((None, True), ("random", False)):
        model = vital.load_model(f"{tmp_path / 'net.py'}:make", weights=weights)
        site = tmp_path / f"site{weights}"
        context = prepare(model, ["class:0"], images(8), site, methods=["fourier"], steps=2)
        write_labels(context.run / "labels.csv", [Description(Unit.parse("class:0"), "truth", "a cube", 1.0)])
        write_pages(context)
        assert (UNTRAINED in (site / "index.html").read_text(encoding="utf-8")) == said


@pytest.mark.filterwarnings("ignore:.*held out.*:UserWarning")
def test_words_that_failed_are_told_on_the_pages_until_they_are_there(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise DataError("the cache cannot be read")

    asked = {"layers": "act1:0-1", "methods": ["fourier", "clip-dissect"]}
    with monkeypatch.context() as patched:
        patched.setattr("vital.describing.api.Words.describe", broken)
        made = make(**asked)
    assert not made.finished
    index, unit = made.site / "index.html", made.site / "units" / "act1" / "1" / "index.html"
    assert "2 units without words by clip-dissect: the cache cannot be read" in index.read_text()
    assert "no words by clip-dissect: the cache cannot be read" in unit.read_text()
    assert make(**asked).finished
    assert "cannot be read" not in index.read_text() + unit.read_text()
