import base64
import io
import shutil

import pytest
from PIL import Image

from tests.reporting.conftest import NETWORK, proto
from vital.errors import DataError, RunError
from vital.rendering.run_folder import Render, entered
from vital.reporting.sections import page_of
from vital.utils.io import as_json


def test_a_page_holds_what_the_run_folder_holds(run):
    page = page_of([run])
    assert [one.view.unit for one in page.units] == ["conv:2", "conv:3", "conv:10"]
    done, missing, failed = (one.view for one in page.units)
    assert (done.headline, done.truth, done.failed) == ("a red cube", "red cube", ())
    assert done.agreement == pytest.approx(1 / 3)
    assert len(done.exemplars) == 2
    first = done.exemplars[0]
    assert (first.name, first.of, first.value, first.by) == ("image 0.png", "activation", 2, "lrp zplus")
    assert missing.failed == ("vital, seed 0, random weights: not rendered yet",)
    assert failed.failed == ("vital, seed 0, random weights: diverged at step 3: the loss is not finite",)
    assert failed.silent
    assert page.units[2].images["vital-0"].width == 16
    (about,) = page.runs
    assert (about.name, about.control) == ("mine", "random weights")
    assert about.facts["weights"] == "random 5e5e5e5e5e5e"
    assert about.facts["vital, seed 0"] == "3 units from 7 images (abababab); steps 4"
    (table,) = page.tables
    assert (table.rows[1], table.controls) == (("dnd", "constant word", "0.1"), {1})
    assert page.methods == ("truth", "clip-dissect", "prototype")


def test_pictures_are_those_of_the_folder_and_masks_are_transparent(run):
    images = page_of([run]).units[0].images
    plain, masked = (
        Image.open(io.BytesIO(base64.b64decode(s.src.partition(",")[2])))
        for s in (images["vital-0"], images["vital-0-mask"])
    )
    assert (plain.size, plain.mode, masked.mode) == ((16, 16), "RGB", "RGBA")
    assert masked.getchannel("A").getextrema()[0] < 60


def test_units_of_one_network_share_a_card_and_of_two_do_not(run, tmp_path):
    more, other = tmp_path / "more", tmp_path / "other"
    for folder, network in ((more, NETWORK), (other, {**NETWORK, "weights_hash": "77" * 32})):
        with entered(folder, network, Render("fourier", {}, 1, 1, ("conv:2",))) as opened:
            opened.save(proto("conv:2", method="fourier", seed=1))
    page = page_of([run, more, other])
    assert [one.view.unit for one in page.units] == ["conv:2", "conv:2", "conv:3", "conv:10"]
    assert [[d.method for d in one.view.prototypes] for one in page.units[:2]] == [
        ["vital", "fourier"],
        ["fourier"],
    ]
    assert page.title == "net.py:make, random weights: 4 units"


def test_a_folder_of_labels_alone_is_a_page(run, tmp_path):
    (tmp_path / "words").mkdir()
    shutil.copy(run / "labels.csv", tmp_path / "words")
    assert [one.view.unit for one in page_of([tmp_path / "words"]).units] == ["conv:2", "conv:10"]


def test_what_is_no_run_is_said(run, tmp_path):
    with pytest.raises(RunError, match="there is no run folder"):
        page_of([tmp_path / "nowhere"])
    with pytest.raises(RunError, match=r"holds neither run\.json nor labels\.csv"):
        page_of([tmp_path])
    with pytest.raises(RunError, match="give one run folder or more"):
        page_of([])
    (run / "units" / "conv_2" / "vital-0.png").write_bytes(b"no picture")
    with pytest.raises(RunError, match="cannot read"):
        page_of([run])


def test_damaged_parts_are_named(run):
    (run / "labels.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="is no vital file"):
        page_of([run])
    (run / "labels.csv").unlink()
    (run / "units" / "conv_2" / "exemplars.json").write_bytes(
        as_json({"exemplars": [{"picture": "../../x"}]})
    )
    with pytest.raises(RunError, match=r"exemplars.json' is damaged"):
        page_of([run])
