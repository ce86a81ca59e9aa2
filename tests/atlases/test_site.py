import vital
from vital.atlases import prepare
from vital.atlases.site import WORLD, write_pages
from vital.describing.run_folder import write_labels
from vital.records import Description
from vital.units import Unit
from vital.world.scenes.dataset import images


def test_the_site_of_the_built_in_network_says_what_it_is(tmp_path):
    context = prepare(
        vital.load_model("world"), ["planted:0"], images(8), tmp_path / "site", methods=["vital"], steps=2
    )
    write_labels(context.run / "labels.csv", [Description(Unit.parse("planted:0"), "truth", "a cube", 1.0)])
    write_pages(context)
    assert WORLD in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
