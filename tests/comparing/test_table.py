from importlib import import_module

import pytest

from vital.comparing import Score, Table
from vital.comparing.table import read_long
from vital.errors import UnknownNameError


def scores(method: str, metric: str, *values: float) -> list[Score]:
    return [Score(method, metric, value, f"layer3:{i}", 0) for i, value in enumerate(values)]


def table(*parts: list[Score]) -> Table:
    return Table(
        tuple(s for part in parts for s in part), ("vital", "fourier"), ("real images", "shuffled"), "vital"
    )


def test_a_cell_is_the_mean_over_units_of_the_mean_over_seeds() -> None:
    rows = [
        Score("vital", "percentile", value, unit, seed)
        for unit, seed, value in (("a", 0, 1.0), ("a", 1, 3.0), ("b", 0, 8.0))
    ]
    cell = Table(tuple(rows), ("vital",)).cell("vital", "percentile")
    assert cell is not None
    assert (cell.mean, cell.n) == (5.0, 2)


def test_the_best_method_goes_by_the_metrics_own_way() -> None:
    found = table(
        scores("vital", "percentile", 99, 98, 98.5), scores("fourier", "percentile", 90, 91, 90.5),
        scores("vital", "distance (held out)", 0.9, 0.9, 0.9), scores("fourier", "distance (held out)", 0.5, 0.6, 0.55),
        scores("real images", "percentile", 100, 100, 100),
    )  # fmt: skip
    assert (found.best("percentile"), found.best("distance (held out)")) == ("vital", "fourier")
    assert "**98.5 [98, 99]**" in found.markdown()
    assert r"\textbf{0.55 [0.5, 0.6]}" in found.latex()


def test_a_metric_that_a_control_pleases_as_well_is_called_uninformative() -> None:
    found = table(
        scores("vital", "judge a", 1, 1, 1, 0), scores("shuffled", "judge a", 1, 1, 1, 0),
        scores("vital", "judge b", 1, 1, 1, 1), scores("shuffled", "judge b", 0, 0, 0, 0),
        scores("vital", "distance x", 1, 2, 1, 2), scores("shuffled", "distance x", 3, 5, 4, 5),
        scores("real images", "judge b", 1, 1, 1, 1),
    )  # fmt: skip
    assert found.uninformative("judge a") == "uninformative: as good with shuffled"
    assert found.uninformative("judge b") == found.uninformative("distance x") == ""
    assert found.columns == ("judge b", "distance x", "judge a")
    assert found.wide()[-1] == ["informative", "yes", "yes", "no: as good with shuffled"]


RATIO, OFF = "contrast, of natural", "spectral slope, off natural"


@pytest.fixture
def all_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("vital.comparing.table"), "ranked", lambda metric: True)


def test_what_is_not_ranked_has_no_best_method_and_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = table(
        scores("vital", RATIO, 1.0, 1.1, 1.0), scores("fourier", RATIO, 2.0, 2.1, 2.0),
        scores("vital", "own accuracy", 1.0, 1.0, 1.0), scores("fourier", "own accuracy", 0.0, 0.0, 0.0),
    )  # fmt: skip
    assert [found.best(metric) for metric in found.metrics] == ["", ""]
    assert "**" not in found.markdown()
    assert "textbf" not in found.latex()
    assert str(found).endswith(f"Nobody leads. Ranks nothing: {RATIO}; own accuracy.")
    assert f"{RATIO} →1" in str(found)
    assert "*" not in str(found)
    monkeypatch.setattr(import_module("vital.comparing.table"), "ranked", lambda metric: True)
    assert [found.best(metric) for metric in found.metrics] == ["vital", "vital"]


@pytest.mark.usefixtures("all_ranked")
def test_near_one_and_near_zero_are_best_whichever_side_they_lie_on() -> None:
    found = table(
        scores("vital", RATIO, 1.1, 1.2, 1.1), scores("fourier", RATIO, 0.5, 0.6, 0.5),
        scores("vital", OFF, 0.3, 0.3, 0.3), scores("fourier", OFF, -0.2, -0.1, -0.2),
    )  # fmt: skip
    assert (found.best(RATIO), found.best(OFF)) == ("vital", "fourier")
    assert found.wide()[0] == ["method", f"{RATIO} →1", f"{OFF} →0"]
    assert rf"{RATIO} $\rightarrow$1" in found.latex()


@pytest.mark.usefixtures("all_ranked")
def test_a_unit_far_above_does_not_make_up_for_one_far_below() -> None:
    found = table(scores("vital", RATIO, 0.1, 1.9, 0.1), scores("fourier", RATIO, 0.9, 0.9, 0.9))
    assert found.best(RATIO) == "fourier"


def test_an_uninformative_metric_has_no_best_method() -> None:
    found = table(
        scores("vital", "judge a", 1, 1, 1), scores("fourier", "judge a", 0, 0, 0),
        scores("shuffled", "judge a", 1, 1, 1),
    )  # fmt: skip
    assert (found.best("judge a"), found.leaders("judge a")) == ("", ("vital",))
    assert "**" not in found.markdown()
    assert found.conclusion().split("\n") == [
        "Nothing tells something here: see the reasons in the last column.",
        "Nobody leads.",
    ]


def test_equal_methods_and_one_alone_have_no_best() -> None:
    found = table(
        [Score("vital", "steps", 64.0), Score("fourier", "steps", 64.0)],
        scores("vital", "percentile", 100, 100, 100), scores("fourier", "percentile", 100, 100, 100),
        [Score("vital", "seconds", 1.0), Score("fourier", "seconds", 2.0), Score("vital", "peak MB", 5.0)],
    )  # fmt: skip
    assert [found.best(m) for m in ("steps", "percentile", "seconds", "peak MB")] == ["", "", "vital", ""]
    assert found.leaders("steps") == ("vital", "fourier")
    assert "percentile: vital, fourier alike." in found.conclusion()


@pytest.mark.parametrize(("values", "said"), [((1.0,), "one unit is"), ((1.0, 1.0), "two units are")])
def test_few_units_have_no_interval_and_no_best(values: tuple[float, ...], said: str) -> None:
    found = table(
        scores("vital", "judge a", *values), scores("fourier", "judge a", *(0.0 for _ in values)),
        scores("shuffled", "judge a", *(0.0 for _ in values)),
    )  # fmt: skip
    assert found.wide()[1] == ["vital", f"1 (n={len(values)})"]
    assert found.best("judge a") == ""
    assert found.conclusion().endswith(f"Who leads in judge a: {said} too few to say.")


def test_natural_images_that_do_worse_than_all_flag_what_is_to_say_what_is_natural() -> None:
    names = (("vital", 0.8), ("fourier", -0.2), ("real images", -0.9), ("shuffled", -1.5))
    for metric, flagged in (("path similarity", True), ("percentile", False)):
        parts = [scores(name, metric, value, value + 0.01, value + 0.02) for name, value in names]
        found = table(*parts)
        assert bool(found.uninformative(metric)) is flagged
        assert (found.best(metric) == "") is flagged
    said = table(*(scores(name, "path similarity", value, value) for name, value in names)).wide()[-1]
    assert said == ["informative", "no: real images do worse than every method"]
    near = [scores(name, "path similarity", 0.5, 1.1, 0.8) for name, _ in names[:3]]
    assert table(*near).uninformative("path similarity") == ""


def test_it_is_shown_with_a_row_for_each_metric_and_ends_in_who_leads() -> None:
    found = table(
        scores("vital", "judge a", 1, 1, 1, 0.8), scores("fourier", "judge a", 1, 0.5, 1, 0.8),
        scores("shuffled", "judge a", 0, 0, 0, 0), [Score("vital", "steps", 2048.0)],
    )  # fmt: skip
    head, judge, steps, _, told, leads = str(found).split("\n")
    assert head.split() == ["metric", "vital", "fourier", "real", "images", "shuffled", "informative"]
    assert judge.startswith("judge a ↑")
    assert judge.endswith("yes")
    assert judge.count("*") == 1
    assert "2048" in steps
    assert told == "Tells something here (1 of 1): judge a."
    assert leads == "Who leads in judge a: vital (fourier within the interval)."


def test_without_controls_nothing_says_what_tells_something() -> None:
    found = Table((*scores("vital", "judge a", 1, 1, 1), *scores("b", "judge a", 0, 0, 0)), ("vital", "b"))
    told, leads = found.conclusion().split("\n")
    assert told.startswith("What tells something here is not known")
    assert leads == "Who leads in judge a: vital."
    assert Table((), ()).conclusion() == ""


def test_a_control_is_beaten_by_what_lies_nearer_to_natural() -> None:
    found = table(
        scores("vital", RATIO, 1.1, 0.9, 1.1, 0.9), scores("shuffled", RATIO, 3.0, 3.1, 0.1, 0.2),
        scores("vital", OFF, 0.5, -0.5, 0.4, -0.4), scores("shuffled", OFF, -0.5, 0.5, -0.4, 0.4),
    )  # fmt: skip
    assert found.differs(RATIO, "shuffled") is True
    assert found.differs(OFF, "shuffled") is False


def test_costs_are_not_judged_by_controls() -> None:
    found = table(scores("vital", "seconds", 3.0), scores("shuffled", "seconds", 3.0))
    assert found.uninformative("seconds") == ""


def test_long_form_comes_back_as_it_was() -> None:
    found = table(scores("vital", "percentile", 99.5, 98), [Score("vital", "steps", 256.0)])
    assert tuple(read_long(found.long_csv().decode())) == found.scores


def test_names_are_inert_in_latex_and_an_unknown_metric_is_said() -> None:
    found = Table((Score("a_b & 50%", "judge {x}", 1.0, "u", 0),), ("a_b & 50%",))
    assert r"a\_b \& 50\%" in found.latex()
    assert r"judge \{x\}" in found.latex()
    with pytest.raises(UnknownNameError, match="beauty"):
        Table((Score("a", "beauty", 1.0),), ("a",)).wide()
