"""A blind set shows what its key says and gives nothing away; it is scored once, by counts."""

import csv
import doctest
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vital
from benchmarks.blind_reading import answers, command, making, pictures, places, scores, sheets
from benchmarks.kept import section
from vital.errors import DataError, InvalidValueError, RunError, UnknownNameError, VitalError
from vital.world.scenes.dataset import CLASSES

NETS = """
import torch
from torch import nn

SIZE = 32
CLASSES = "ant bee cat dog eel fox gnu hen ibis jay kite lynx".split()


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 12))
"""
NAMES = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay", "kite", "lynx"]
COLORS = {name: (20 * i, 255 - 20 * i, 100 if i % 2 else 200) for i, name in enumerate(NAMES)}
WORLD = (
    "--place",
    "world",
    "--methods",
    "fourier:steps=1,other=pixels:steps=1",
    "--each",
    "3",
    "--seed",
    "4",
)


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    """A network file with twelve named classes, beside a folder with an image of one color for each."""
    (tmp_path / "nets.py").write_text(NETS)
    for name, color in COLORS.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.new("RGB", (40, 40), color).save(tmp_path / "images" / name / "0.png")
    return tmp_path


def asked(nets: Path, out: Path, *more: str) -> list[str]:
    where = ["--place", f"{nets / 'nets.py'}:small", "--images", str(nets / "images"), "--out", str(out)]
    chosen = ["--names", "0,1,2,3,4,5,6,7,8,11"]
    return [*where, *chosen, "--methods", "fourier:steps=1,b=pixels:steps=1:lr=0.1", *more]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of the world; tests that change it copy it."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("blind") / "set"
    command.run([*WORLD, "--out", str(out)])
    return out


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "own")


def key_of(out: Path) -> list[dict]:
    return sheets.unseal(out)[0]["pictures"]


def answered(out: Path, **wrong: str) -> Path:
    """Right answers to all, but for columns of which a word is given."""
    columns = list(sheets.unseal(out)[0]["asked"])
    file = out.parent / "filled.csv"
    with file.open("w", newline="") as target:
        rows = csv.DictWriter(target, ["number", *columns])
        rows.writeheader()
        rows.writerows({"number": p["number"], **p["truth"], **wrong} for p in key_of(out))
    return file


def scored(out: Path, file: Path, *more: str, reader: str = "Ann") -> dict:
    results = str(out.parent / "results.json")
    return command.run(
        ["--out", str(out), "--answers", str(file), "--reader", reader, "--results", results, *more]
    )


def shown(out: Path, number: int, side: int = sheets.SIDE) -> np.ndarray:
    """The picture with a number, cut out of its sheet."""
    page, place = divmod(number - 1, sheets.MOST)
    left, top = sheets.corner(place, side)
    with Image.open(out / f"sheet-{page + 1}.png") as sheet:
        return np.asarray(sheet.crop((left, top, left + side, top + side))).astype(float)


def files(out: Path) -> dict[str, bytes]:
    return {str(f.relative_to(out)): f.read_bytes() for f in sorted(out.rglob("*")) if f.is_file()}


def test_the_examples_hold() -> None:
    for module in (answers, command, making, pictures, places, scores, sheets):
        assert doctest.testmod(module).failed == 0


# ---- making a set


def test_the_number_of_a_picture_is_that_of_its_key(made: Path) -> None:
    model, pictures = vital.load_model("world"), key_of(made)
    assert Counter(p["method"] for p in pictures) == {"fourier:steps=1": 3, "other": 3, "real": 3}
    for label, method in (("fourier:steps=1", "fourier"), ("other", "pixels")):
        mine = [p for p in pictures if p["method"] == label]
        units = [f"class:{CLASSES.index(p['class'])}" for p in mine]
        again = vital.render(model, units, method=method, steps=1, seed=4, progress=False)
        for p, one in zip(mine, again, strict=True):
            wanted = np.asarray(one.to_pil().resize((sheets.SIDE, sheets.SIDE), Image.Resampling.BICUBIC))
            away = {q["number"]: np.abs(shown(made, q["number"]) - wanted).mean() for q in pictures}
            assert away[p["number"]] < 0.2  # the batch differs, so pictures may by rounding
            assert min(n for q, n in away.items() if q != p["number"]) > 2


def test_real_images_are_of_the_class_and_no_references(made: Path) -> None:
    from vital.world.networks.judge import judged

    real = [p for p in key_of(made) if p["method"] == "real"]
    seen = torch.stack([torch.from_numpy(shown(made, p["number"])).permute(2, 0, 1) / 255 for p in real])
    words = [(w["solid"], w["material"]) for w in judged(seen)]
    assert (
        sum(w == (p["truth"]["solid"], p["truth"]["material"]) for w, p in zip(words, real, strict=True)) >= 2
    )
    one, two = (np.asarray(places.fresh_scene(5, seed, 16)) for seed in (1, 2))
    assert (one != two).any()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_set(made: Path, tmp_path: Path) -> None:
    command.run([*WORLD, "--out", str(tmp_path / "again")])
    first, again = files(made), files(tmp_path / "again")
    assert set(first) == set(again)
    for name in ("sheet-1.png", "answers.csv"):
        assert first[name] == again[name]
    command.run([*WORLD[:-1], "5", "--out", str(tmp_path / "other")])
    assert files(tmp_path / "other")["sheet-1.png"] != first["sheet-1.png"]


def test_nothing_gives_the_key_away(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "key.json").unlink()
    command.run([*WORLD, "--out", str(own), "--json"])
    told = capsys.readouterr()
    assert json.loads(told.out) == {"out": str(own), "pictures": 9, "sheets": 1}
    classes = [p["class"] for p in key_of(own)]
    plain = {name: data for name, data in files(own).items() if name != "answers.csv"}
    for text in (told.out, told.err, *plain, *(data.decode("latin-1") for data in plain.values())):
        assert not any(name in text for name in classes)
        assert "real" not in text
    with Image.open(own / "sheet-1.png") as sheet:
        assert sheet.info == {}
    assert (own / "answers.csv").read_text().splitlines()[:2] == ["number,solid,material", "1,,"]
    assert {name.split("/")[0] for name in plain} == {".lock", ".pictures", "key.json", "sheet-1.png"}
    methods = [p["method"] for p in key_of(own)]
    assert methods != sorted(methods)


def test_pictures_that_are_there_are_not_rendered_again(
    own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = files(own)
    calls = []
    monkeypatch.setattr(vital, "render", lambda *a, **k: calls.append(k["method"]))
    command.run([*WORLD, "--out", str(own)])
    assert files(own) == before
    (own / "key.json").unlink()
    command.run([*WORLD, "--out", str(own)])
    assert files(own) == before
    assert calls == []
    monkeypatch.undo()
    next((own / ".pictures").iterdir()).write_bytes(b"cut off")
    (own / "key.json").unlink()
    command.run([*WORLD, "--out", str(own)])
    assert files(own)["sheet-1.png"] == before["sheet-1.png"]
    with pytest.raises(RunError, match="other settings; choose another folder"):
        command.run([*WORLD[:-1], "5", "--out", str(own)])


def test_classes_are_dealt_evenly_and_none_twice_to_a_hand() -> None:
    for hands, each, cards in ((5, 24, 64), (4, 7, 10), (3, 10, 10), (2, 25, 10)):
        rng = torch.Generator().manual_seed(0)
        dealt = making.dealt(hands, each, range(100, 100 + cards), rng)
        counts = Counter(card for hand in dealt for card in hand)
        assert len(counts) == min(cards, hands * each)
        assert max(counts.values()) <= -(-hands * each // cards) + (each < cards)
        for hand in dealt:
            assert max(Counter(hand).values()) == -(-each // cards)
    one = making.dealt(2, 24, range(64), torch.Generator().manual_seed(0))
    assert not set(one[0]) & set(one[1])


def test_every_method_shows_each_of_ten_classes_of_a_network_once(nets: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    command.run(asked(nets, out, "--seed", "3"))
    pictures, ten = key_of(out), sorted(set(NAMES) - {"jay", "kite"})
    for label in ("fourier:steps=1", "b", "real"):
        assert sorted(p["class"] for p in pictures if p["method"] == label) == ten
    for p in pictures:
        if p["method"] == "real":
            assert np.abs(shown(out, p["number"]) - COLORS[p["class"]]).max() <= 1
    assert (out / "sheet-2.png").exists()
    assert not (out / "sheet-3.png").exists()
    key = sheets.unseal(out)[0]
    assert key["asked"] == {"class": ten}
    assert key["methods"][1]["options"]["lr"] == 0.1
    assert set(key["seconds"]) == {"fourier:steps=1", "b"}
    found = scored(out, answered(out, **{"class": "ant"}))
    assert {label: row["class"]["right"] for label, row in found["results"].items()} == {
        "fourier:steps=1": 1, "b": 1, "real": 1,
    }  # fmt: skip
    assert found["chance"] == {"class": 0.1}
    assert list(found["answers"][0]) == ["number", "method", "class", "answer", "right"]


def test_the_built_in_classes_are_those_of_imagenet(shared: Path) -> None:
    with (shared / "data" / "imagenet1000" / "labels.csv").open() as file:
        names = {int(row["index"]): row["name"] for row in csv.DictReader(file)}
    table = {n: name for members in places.BRANCHES.values() for n, name in members.items()}
    assert {n: name for n, name in table.items() if names[n] not in name} == {}


def test_a_class_of_each_branch_is_drawn() -> None:
    assert len(places.BRANCHES) == places.TEN
    assert all(len(members) == 3 for members in places.BRANCHES.values())
    draws = {seed: places.drawn({1, 2}, seed) for seed in range(20)}
    for found in draws.values():
        assert [n in members for n, members in zip(found, places.BRANCHES.values(), strict=True)] == [
            True
        ] * 10
        assert found[0] == 396
    assert len({tuple(found) for found in draws.values()}) > 10
    with pytest.raises(InvalidValueError, match="no class of the branch 'fish'; leave one of 1, 2, 396"):
        places.drawn({1, 2, 396}, 0)


def test_classes_can_be_left_out(tmp_path: Path) -> None:
    left = {"plain cube", "glass star"}
    gone = ",".join(name for name in CLASSES if name not in left)
    command.run([*WORLD, "--each", "2", "--exclude", gone, "--out", str(tmp_path)])
    assert {p["class"] for p in key_of(tmp_path)} == left


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--methods", "vitl"), "unknown method 'vitl'; did you mean 'vital'"),
        (("--methods", "a=fourier:step=1"), "unknown option of fourier 'step'; did you mean 'steps'"),
        (("--methods", "a=fourier:steps"), "'a=fourier:steps' cannot be read"),
        (("--methods", "a=fourier:steps=1:steps=2"), "each field once"),
        (("--methods", "=fourier"), "empty label"),
        (("--methods", ","), "give names with commas"),
        (("--methods", "real=fourier"), "'real' is taken by another row"),
        (("--methods", "fourier,fourier"), "'fourier' is there twice"),
        (("--exclude", "plain cub"), "unknown class 'plain cub'; did you mean 'plain cube'"),
        (("--images", "x"), "--images is 'x', and the world has its own"),
        (("--each", "0"), "0 pictures"),
    ],
)
def test_what_cannot_be_made_is_refused(tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    with pytest.raises(VitalError, match=why):
        command.run([*WORLD, "--out", str(tmp_path), *words])


def test_classes_of_a_network_that_cannot_be_asked_for_are_refused(nets: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    for names, why in (
        ("0,1", "2 different classes; allowed are 10"),
        ("0,1,2,3,4,5,6,7,8,12", "'12'; allowed are class indices from 0 to 11"),
        ("", "has 12 classes, .* give --names"),
    ):
        with pytest.raises(InvalidValueError, match=why):
            command.run(asked(nets, out, "--names", names))
    with pytest.raises(InvalidValueError, match="both hold 3"):
        command.run(asked(nets, out, "--exclude", "dog"))
    with pytest.raises(InvalidValueError, match="--each is 4"):
        command.run(asked(nets, out, "--each", "4"))
    with pytest.raises(InvalidValueError, match="give --images DIR"):
        command.run(["--place", f"{nets / 'nets.py'}:small", "--out", str(out)])
    assert not out.exists()


# ---- the seal


def test_a_key_that_was_changed_is_refused(own: Path) -> None:
    key = json.loads((own / "key.json").read_text())
    for changed in ({"sha256": "0" * 64}, {"sealed": key["sealed"][:-8]}, {"sealed": 3}):
        (own / "key.json").write_text(json.dumps(key | changed))
        with pytest.raises(RunError, match="is no key as this benchmark seals it, or was changed"):
            sheets.unseal(own)
    (own / "key.json").unlink()
    with pytest.raises(RunError, match="cannot read"):
        sheets.unseal(own)


def test_sheets_that_were_swapped_are_refused(own: Path) -> None:
    file = answered(own)
    sheet = (own / "sheet-1.png").read_bytes()
    (own / "sheet-2.png").write_bytes(sheet)
    with pytest.raises(RunError, match="are not those of its key"):
        scored(own, file)
    (own / "sheet-2.png").unlink()
    (own / "sheet-1.png").write_bytes(sheet + b"0")
    with pytest.raises(RunError, match="are not those of its key"):
        scored(own, file)
    assert not (own / "read.json").exists()


# ---- scoring


def test_scores_are_those_counted_by_hand() -> None:
    def picture(number: int, method: str, solid: str, material: str) -> dict:
        truth = {"solid": solid, "material": material}
        found = {"number": number, "method": method, "class": f"{material} {solid}", "truth": truth}
        return found | {"status": "done" if number < 8 else "diverged"}

    key = {
        "asked": {"solid": ("cube", "cone"), "material": ("glass", "metal", "plain", "wooden")},
        "methods": [{"label": "a"}, {"label": "b"}],
        "pictures": [
            *(picture(n, "a", "cube", "glass") for n in (1, 2, 3, 4)),
            *(picture(n, "b", "cone", "metal") for n in (5, 6, 7, 8)),
            *(picture(n, "real", "cube", "plain") for n in (9, 10)),
        ],
    }
    key |= dict.fromkeys(("place", "network", "images", "seed", "seconds", "machine"))
    said = {1: "cube glass", 2: "cube glass", 3: "cube metal", 4: "cube ?", 5: "cone metal", 6: "cube glass"}
    said |= {7: "? ?", 8: "cube metal", 9: "cube plain", 10: "cube plain"}
    answers = {n: dict(zip(("solid", "material"), words.split(), strict=True)) for n, words in said.items()}
    found = scores.scored(key, answers, "Ann", "x")
    counts = {
        label: [row["n"], *(row[m]["right"] for m in ("solid", "material", "both"))]
        for label, row in found["results"].items()
    }
    assert counts == {"a": [4, 4, 2, 2], "b": [4, 1, 2, 1], "real": [2, 2, 2, 2]}
    assert found["results"]["a"]["material"]["share"] == 0.5
    assert found["chance"] == {"solid": 1 / 2, "material": 1 / 4, "both": 1 / 8}
    p = {(pair["beside"], pair["measure"]): pair["p"] for pair in found["pairs"]}
    assert len(p) == 6
    # 4 of 4 beside 1 of 4: of the 56 ways to choose 5 of 8, (4, 1) has 4 and (1, 4) as many
    assert p["b", "solid"] == pytest.approx(8 / 56)
    assert p["b", "material"] == pytest.approx(1)
    assert found["answers"][0]["right"] == {"solid": True, "material": True, "both": True}
    assert [one.get("status") for one in found["answers"][-4:]] == [None, "diverged", "diverged", "diverged"]
    assert scores.table(found)[0] == ["method", "n", "solid", "material", "both"]
    assert scores.table(found)[-1] == ["chance", "", "50.0%", "25.0%", "12.5%"]
    assert scores.table(found)[1][:3] == ["a", 4, "100% [100%, 100%]"]


def test_a_difference_is_told_from_chance() -> None:
    found = {
        "a": {"n": 24, "x": {"right": 20}},
        "b": {"n": 24, "x": {"right": 6}},
        "c": {"n": 24, "x": {"right": 15}},
    }
    first, second = scores.pairs(found, ["x"])
    assert (first["beside"], first["more than chance"]) == ("b", True)
    assert (second["beside"], second["more than chance"]) == ("c", False)
    assert scores.said(second) == "a beside c, x: no more than chance allows (p = 0.193)"


def test_a_reading_is_written_down_and_a_set_is_read_once(
    own: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = answered(own, material="?")
    capsys.readouterr()
    found = scored(own, file)
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[:5]] == [
        "method", "fourier:steps=1", "other", "real", "chance",
    ]  # fmt: skip
    assert "fourier:steps=1 beside real, both: no more than chance allows (p = 1)" in said
    assert found["results"]["other"]["solid"]["right"] == 3
    assert found["results"]["other"]["both"]["right"] == 0
    assert {"date", "place", "methods", "seed", "reader", "classes", "seconds", "answers"} <= set(found)
    kept = json.loads((own.parent / "results.json").read_text())
    assert [(row["reader"], row["set"]) for row in kept["rows"]] == [("Ann", found["set"])]
    assert kept["rows"][0]["methods"][0]["options"]["steps"] == 1
    assert json.loads((own / "read.json").read_text()) == kept["rows"][0]
    with pytest.raises(RunError, match="was read by Ann; a set is read once"):
        scored(own, file, reader="Ben")
    with pytest.raises(RunError, match="was read; choose another folder"):
        command.run([*WORLD, "--out", str(own)])
    (own / "read.json").unlink()
    with pytest.raises(RunError, match="holds a reading of this set"):
        scored(own, file, reader="Ben")
    assert "## Blind readings" in section(kept)
    assert "Ann" in "\n".join(section(kept))


def test_a_second_reading_is_added_to_the_first(own: Path) -> None:
    scored(own, answered(own))
    other = own.parent / "other"
    command.run([*WORLD[:-1], "6", "--out", str(other)])
    scored(other, answered(other), reader="Ben")
    rows = json.loads((own.parent / "results.json").read_text())["rows"]
    assert [(row["reader"], row["seed"]) for row in rows] == [("Ann", 4), ("Ben", 6)]


def test_json_is_one_object(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = answered(own)
    capsys.readouterr()
    found = scored(own, file, "--json")
    assert json.loads(capsys.readouterr().out) == found


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("\n9,", "\n10,", "number '10'; allowed are 1 to 9"),
        ("\n9,", "\n8,", "answers number 8 twice"),
        ("\n9,cube,glass", "", "no row for the numbers 9; write [?] where nothing"),
        ("\n9,cube,glass", "\n9,,glass", "number 9 has no answer for solid; write [?]"),
        ("\n9,cube,glass", "\n9,cuve,glass", "number 9: unknown solid 'cuve'; did you mean 'cube'"),
        ("\n9,cube,glass", "\n9,cube", "has 2 cells; allowed are 3"),
        (
            "number,solid",
            "number,form",
            "the columns number,form,material; allowed are number,solid,material",
        ),
    ],
)
def test_answers_that_cannot_be_scored_are_refused_and_nothing_is_used_up(
    own: Path, old: str, new: str, why: str
) -> None:
    file = own.parent / "filled.csv"
    rows = "".join(f"\n{n},cube,glass" for n in range(1, 10))
    file.write_text(f"number,solid,material{rows}\n")
    text = file.read_text()
    file.write_text(text.replace(old, new))
    with pytest.raises((DataError, UnknownNameError), match=why):
        scored(own, file)
    assert not (own / "read.json").exists()
    assert not (own.parent / "results.json").exists()
    file.write_text(text.replace("cube", " CUBE "))
    assert scored(own, file)["answers"][0]["answer"] == {"solid": "cube", "material": "glass"}


def test_a_reading_needs_a_reader_and_one_thing_is_asked_at_a_time(own: Path) -> None:
    with pytest.raises(InvalidValueError, match="give --reader NAME"):
        scored(own, answered(own), reader=" ")
    with pytest.raises(SystemExit):
        command.run(["--out", str(own)])
    with pytest.raises(SystemExit):
        scored(own, answered(own), "--place", "world")


def test_results_that_are_none_are_left_alone(own: Path) -> None:
    file = answered(own)
    (own.parent / "results.json").write_text('{"scores": ""}')
    with pytest.raises(RunError, match="holds no readings; choose another --results"):
        scored(own, file)
    assert (own.parent / "results.json").read_text() == '{"scores": ""}'


def test_a_refusal_is_one_sentence(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(["--out", str(own), "--place", "world", "--methods", "vitl"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "blind_reading: unknown method 'vitl'; did you mean 'vital'?\n"
