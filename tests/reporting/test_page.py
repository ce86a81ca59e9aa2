import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch

import vital
from tests.reporting.conftest import proto, said
from vital.comparing import Comparison
from vital.comparing.records import Score
from vital.comparing.table import Table
from vital.errors import InvalidValueError
from vital.records import STANDS, TAKEN_BACK, Description
from vital.rendering.natural_exemplars import Exemplar
from vital.reporting.api import page_file, write_page
from vital.reporting.facts import Link, save_neighbors
from vital.reporting.page import as_html
from vital.reporting.sections import page_from, page_of
from vital.units import Unit

EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)//</title></style></script>",
    "cat\u202egod \u2066x\u2069 \x00\x1b[31m",
    "{{ 7 * 7 }} {% raw %}",
    "&lt;b&gt; &amp; <b>",
]


class Tags(HTMLParser):
    """All elements and attributes of a page."""

    def __init__(self, text):
        HTMLParser.__init__(self)
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def page_with(texts):
    """A page that shows these texts everywhere that texts of others are shown."""
    unit = Unit("layer4", 3, label=texts[0])
    image = torch.rand(3, 8, 8)
    return page_from(
        [proto("layer4:3", status=text, method=text) for text in texts],
        [said("layer4:3", text, "", candidate=text, others=((text, 0.1),)) for text in texts]
        + [said("layer4:3", f"{text} b", text) for text in texts],
        [{text: text for text in texts}],
        [Exemplar(unit, image, image[0], 0, text, 1.0, "activation", "lrp") for text in texts],
        title=texts[0] + texts[4],
    )


def evil_page():
    return page_with(EVIL)


def test_texts_of_others_stay_texts():
    calm = Tags(as_html(page_with([f"calm {i}" for i in range(len(EVIL))])))
    text = as_html(evil_page())
    tags = Tags(text)
    assert [tag for tag, _ in tags.found] == [tag for tag, _ in calm.found]
    assert [tag for tag, _ in tags.found].count("script") == 1
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    assert "49" not in re.sub(r"data:[^\"]*", "", text).partition("<main")[2].partition("</main")[0]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", text)
    assert "cat[U+202E]god [U+2066]x[U+2069] [U+0000][U+001B][31m" in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5


def test_evil_texts_do_nothing_in_a_browser(tmp_path, browser):
    file = write_page(evil_page(), tmp_path / "evil.html")
    seen = browser(file, "q=%3Cscript%3E")
    assert '<html lang="en" data-ready="">' in seen
    assert seen.count("<script>") == 1
    assert "onerror=" not in seen.replace("onerror=alert(1)&gt;", "").partition("<main")[2]


def test_nothing_on_the_page_asks_for_anything(run):
    text = as_html(page_of([run]))
    for tag, attributes in Tags(text).found:
        for name in ("src", "href", "action", "data", "poster", "srcset", "background"):
            value = attributes.get(name, "#")
            assert value.startswith(("#", "data:image/")), (tag, name, value[:60])
        assert "style" not in attributes
    bare = re.sub(r'"data:image/[^"]*"', '""', text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", bare)


def test_the_policy_lets_the_pages_own_script_run_and_nothing_else(run):
    text = as_html(page_of([run]))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")
    for tag in ("script", "style"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        expected = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{expected}'" in policy
    assert policy.startswith("default-src 'none'")


def test_equal_runs_make_equal_pages_that_say_what_is_there(run):
    text = as_html(page_of([run]))
    assert text == as_html(page_of([run]))
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text))
    assert "no label (would say sea)" in plain
    assert "diverged at step 3: the loss is not finite" in plain
    assert "control: random weights" in plain
    assert "words agree 33 %" in plain
    assert "<tr class=control>" in text


def test_a_class_name_stays_where_its_label_was_taken_back():
    unit = Unit("class", 3, label="airplane")
    silent = Description(unit, "dnd", "", 0.1, candidate="blue sky", p_value=0.6)
    text = as_html(page_from([], [silent]))
    assert '<p class="class">class <bdi>airplane</bdi></p>' in text


def test_a_browser_searches_sorts_and_turns_masks_on(run, browser, tmp_path):
    file = write_page(page_of([run]), tmp_path / "page.html")

    def cards(state):
        seen = browser(file, state)
        assert 'data-ready=""' in seen
        found = re.findall(r'<article class="unit card[^>]*>', seen)
        names = re.findall(r'<p class="id"><a href="#unit=([^"]*)"', seen)
        return [name for name, card in zip(names, found, strict=True) if " hidden" not in card], seen

    every, seen = cards("")
    assert every == ["conv%3A2", "conv%3A3", "conv%3A10"]
    assert ">3 of 3</output>" in seen
    assert cards("q=red+cube")[0] == ["conv%3A2"]
    assert cards("show=failed")[0] == ["conv%3A10"]
    assert cards("show=waiting")[0] == ["conv%3A3"]
    assert cards("show=silent")[0] == ["conv%3A10"]
    assert cards("sort=score:clip-dissect")[0] == ["conv%3A2", "conv%3A10", "conv%3A3"]
    none, seen = cards("q=nothing-like-it")
    assert none == []
    assert ">0 of 3</output>" in seen
    assert 'aria-pressed="true"' in cards("mask=1")[1]
    assert 'class="unit card here"' in cards("unit=conv:10")[1]


def test_what_python_holds_is_a_page_too(tmp_path):
    table = [{"method": "vital", "value": 0.123456}, {"method": "noise", "value": 1, "row": "control"}]
    file = vital.report(
        tmp_path / "out", [proto("class:3")], [said("class:3", "dnd", "a red cube")], table, title="Mine"
    )
    text = file.read_text()
    assert file.name == "report.html"
    assert "<title>Mine</title>" in text
    assert "0.1235" in text
    assert vital.report(tmp_path / "x.html", [proto("class:3")]).name == "x.html"


@pytest.mark.parametrize(("last", "told"), [(0.5, "lower is better<"), (-2.0, "it may be negative<")])
def test_a_curve_of_losses_says_which_way_is_good(last, told):
    made = replace(proto("class:3"), losses={"unit": [1.0, last]}, provenance={"model": "net"})
    text = as_html(page_from([made], []))
    assert f"→ {last:g}" in text
    assert told in text
    assert "<title>net: 1 unit</title>" in text


def test_what_python_holds_may_come_in_any_order_and_one_by_one(tmp_path):
    scores = (
        Score("vital", "percentile", 98.5, "class:3", 0),
        Score("fourier", "percentile", 70, "class:3", 0),
    )
    found = Comparison(Table(scores, ("vital", "fourier")), ())
    text = vital.report(
        tmp_path / "out.html", found, said("class:3", "dnd", "a red cube"), proto("class:3")
    ).read_text()
    assert "a red cube" in text
    assert "98.5" in text
    assert "fourier" in text


def test_run_folders_are_reported_side_by_side(run, tmp_path):
    shutil.copytree(run, tmp_path / "again")
    both = vital.report(tmp_path / "both.html", run, tmp_path / "again").read_text()
    assert both == vital.report(tmp_path / "listed.html", [str(run), str(tmp_path / "again")]).read_text()
    assert len(both) > len(vital.report(run).read_text())


@pytest.mark.parametrize("what", [(3,), ([proto("class:3"), None],), (torch.rand(3, 8, 8),)])
def test_what_no_page_can_show_is_named(tmp_path, what):
    with pytest.raises(
        InvalidValueError, match=r"a (int|NoneType|Tensor) cannot be shown on a page; give run folders"
    ):
        vital.report(tmp_path / "out.html", *what)


def test_a_page_is_of_folders_or_of_what_python_holds(run, tmp_path):
    with pytest.raises(InvalidValueError, match="or of what Python holds; give one of them"):
        vital.report(tmp_path / "out.html", run, proto("class:3"))
    with pytest.raises(InvalidValueError, match="there is nothing to show"):
        vital.report(tmp_path / "out.html", [], [])


def test_a_run_folder_is_reported_by_its_name_alone(run):
    assert vital.report(run) == run / "report.html"
    assert vital.report(run / "other.html").read_text() == (run / "report.html").read_text()


def test_no_other_page_takes_the_place_of_a_runs_own(run, tmp_path):
    own = vital.report(run).read_bytes()
    for out in (run, run / "report.html"):
        with pytest.raises(
            InvalidValueError, match=r"is the page of the run in that folder alone; give another file"
        ):
            vital.report(out, [proto("class:3")])
    assert (run / "report.html").read_bytes() == own
    assert vital.report(run / "mine.html", [proto("class:3")]).is_file()
    assert page_file(tmp_path / "both.html", [run, tmp_path]).name == "both.html"


def test_scores_say_why_a_label_may_stand_beside_a_better_control(run):
    (run / "scores.csv").write_text("row,labeled,auprc,auc\ndnd,1,0.3,0.8\nrandom weights,0,0.4,0.8\n")
    text = as_html(page_of([run]))
    assert "<bdi>(auc)</bdi>" in text
    assert "<bdi>auprc</bdi>" in text
    assert "decided unit by unit" in text
    assert "in brackets are not to be trusted" in text
    (run / "scores.csv").write_text("row,mrr\ndnd,0.3\n")
    assert "decided unit by unit" not in as_html(page_of([run]))


def test_the_head_names_the_network_and_only_words_have_a_note_on_scores(run):
    text = as_html(page_of([run]))
    assert "<h1><bdi>net.py:make, random weights: 3 units</bdi></h1>" in text
    assert "in the network" not in text
    assert "in the network <bdi>net.py:make</bdi>" in as_html(page_of([run], "Mine"))
    assert "The score of a method tells" in text
    (run / "labels.csv").unlink()
    assert "The score of a method tells" not in as_html(page_of([run]))


def test_options_that_are_not_set_are_left_out(run):
    facts = json.loads((run / "run.json").read_text())
    facts["renders"][0]["options"] = {"steps": 4, "unit_weight": None}
    (run / "run.json").write_text(json.dumps(facts))
    text = as_html(page_of([run]))
    assert "3 units from 7 images (abababab); steps 4<" in text
    assert "unit_weight" not in text


def test_captions_of_images_are_words_and_their_full_names_stay(run):
    picture = torch.rand(3, 16, 16)
    one = Exemplar(
        Unit.parse("conv:2"), picture, picture[0], 0, "00068 a striped torus", 2.0, "activation", ""
    )
    text = as_html(page_from([], [], exemplars=[one]))
    assert 'title="00068 a striped torus"><bdi>a striped torus</bdi>' in text


def test_a_page_says_how_to_read_it_and_what_its_numbers_mean(run):
    text = as_html(page_of([run]))
    guide = text.partition("<summary>How to read this page</summary>")[2].partition("</details>")[0]
    assert guide.count("<li>") == 3
    assert "A <b>control</b> tells" in guide
    assert "p is the chance that" in guide
    for shown in ("words agree 33 %", "lrp zplus", "above 99.5 % of images", "score 0.8"):
        (title,) = set(re.findall(rf'title="([^"]*)"[^>]*>{shown}<', text))
        assert len(title) > 60
    (run / "labels.csv").unlink()
    assert "p is the chance that" not in as_html(page_of([run]))


def test_a_p_that_is_the_least_possible_says_so():
    def judged(p, label, status):
        one = said(
            "class:6", "dnd", label, candidate="star", p_value=p, status=status, reason="" if label else "no"
        )
        return as_html(page_from([], [one]))

    assert "the least that 8 units allow" in judged(0.125, "star", STANDS)
    assert "the least that 1 unit allows" in judged(1.0, "star", STANDS)
    assert "the least that" not in judged(0.0208333, "star", STANDS)
    assert "the least that" not in judged(0.125, "", TAKEN_BACK)


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ((0.50004, 0.49995), "2 candidates as good<"),
        ((0.5, 0.3), "1 candidate as good, 1 that lost<"),
        ((0.3,), "1 candidate that lost<"),
        ((0.3, 0.2), "2 candidates that lost<"),
    ],
)
def test_a_candidate_of_the_same_score_is_as_good(scores, told):
    others = tuple((f"word {i}", score) for i, score in enumerate(scores))
    text = as_html(page_from([], [said("class:6", "dnd", "star", 0.5, others=others)]))
    assert f"<summary>{told}" in text
    assert text.count(", as good</span>") == sum(score > 0.4 for score in scores)


def test_units_that_are_hardly_similar_are_not_called_so(run):
    save_neighbors(run, "conv:2", [Link("conv:10", 0.1), Link("conv:3", 0.09)], "correlation of activations")
    save_neighbors(
        run, "conv:3", [Link("conv:2", 0.09), Link("conv:10", -0.134)], "correlation of activations"
    )
    page = page_of([run])
    assert [[one.unit for one in shown.view.neighbors] for shown in page.units] == [["conv:10"], [], []]
    text = as_html(page)
    assert text.count("Nearest first, by correlation of activations.") == 1
    assert text.count("No other unit is like it: by correlation of activations none reaches 0.1.") == 1
    assert text.count(">Similar units<") == 2
