import vital
from vital.atlases import prepare
from vital.atlases.site import WORLD, write_pages
from vital.world.scenes.dataset import images


def test_the_site_of_the_built_in_network_says_what_it_is(tmp_path):
    context = prepare(
        vital.load_model("world"), ["planted:0"], images(8), tmp_path / "site", methods=["vital"], steps=2
    )
    write_pages(context)
    assert WORLD in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
