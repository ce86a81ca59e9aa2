import csv

import numpy as np
import pytest

from vital.world.scenes.dataset import images


def test_labels_are_held_against_names(vital, here):
    (here / "fc.csv").write_text("layer,unit,description\nfc,0,bees\nfc,1,honey bee\nfc,2,\n")
    (here / "names.txt").write_text("ant\nbee, honey bee\ncat\n")
    done = vital("score", "fc.csv", "--names", "names.txt", "--out", "run")
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0][:4] == ["method", "units", "labeled", "distinct"]
    assert [line[0] for line in lines[1:]] == ["milan", "constant", "shuffled", "next"]
    rows = list(csv.DictReader((here / "run" / "names.csv").read_text().splitlines()))
    assert [row["row"] for row in rows] == ["", "constant word", "shuffled units", "next name"]
    assert (rows[0]["units"], rows[0]["labeled"], rows[0]["exact"]) == ("3", "2", "0.333333")


def test_names_may_be_those_of_a_network_and_an_encoder_adds_its_rows(vital, here):
    (here / "labels.csv").write_text(
        "layer,unit,method,label\n,class:0,mine,striped cube\n,class:1,mine,cone\n"
    )
    done = vital("score", "labels.csv", "--model", "world", "--encoder", "world")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 1 + 2 * 4


def test_a_wrong_request_is_one_sentence(vital, here):
    (here / "a.csv").write_text("layer,unit,description\nlayer4,0,bees\n")
    (here / "names.txt").write_text("ant\n")
    for words, said in (
        (("a.csv",), "give --names FILE, or --model MODEL with its class names"),
        (("a.csv", "--names", "names.txt"), "give --layer, one of: layer4"),
        (("a.csv", "--names", "names.txt", "--format", "nets"), "unknown format of labels 'nets'"),
        (("a.csv", "--names", "names.txt", "--format", "dnd"), "is no dnd file"),
        (("b.csv", "--names", "names.txt"), "cannot read 'b.csv'"),
    ):
        done = vital("score", *words)
        assert done.code in (1, 2)
        assert said in done.err
        assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--batch", "4"), "--batch is ignored: labels are judged on images alone; give --images DIR"),
        (
            ("--split-seed", "1"),
            "--split-seed is ignored: labels are judged on images alone; give --images DIR",
        ),
        (
            ("--backend-device", "cpu"),
            "--backend-device is ignored: no encoder is named; give --encoder ENCODER",
        ),
        (("--device", "cpu"), "--device is ignored: no network is named; give --model MODEL"),
        (("--model", "world"), "--model is ignored: the names are those of --names"),
    ],
)
def test_an_option_of_which_nothing_comes_is_told(vital, here, words, said):
    (here / "fc.csv").write_text("layer,unit,description\nfc,0,bees\n")
    (here / "names.txt").write_text("ant\n")
    done = vital("score", "fc.csv", "--names", "names.txt", *words)
    assert (done.code, done.err.strip()) == (0, f"vital: {said}")


def test_an_option_out_of_a_file_is_for_other_commands_too(vital, here):
    (here / "fc.csv").write_text("layer,unit,description\nfc,0,bees\n")
    (here / "names.txt").write_text("ant\n")
    (here / "all.toml").write_text("batch = 4\n")
    done = vital("score", "fc.csv", "--names", "names.txt", "--config", "all.toml")
    assert (done.code, done.err) == (0, "")


@pytest.mark.slow
def test_labels_are_judged_on_images_beside_what_knows_nothing(vital, here):
    right, wrong = ("striped torus", "metal star", "small"), ("metal star", "small", "striped torus")
    for name, labels in (("right", right), ("wrong", wrong)):
        units = ("class:41", "class:62", "planted:0")
        rows = [f"{u.partition(':')[0]},{u},{name},{label}" for u, label in zip(units, labels, strict=True)]
        (here / f"{name}.csv").write_text("\n".join(["layer,unit,method,label", *rows]) + "\n")
    words = ("--model", "world", "--images", "world", "--encoder", "world", "--out", "run")
    done = vital("score", "right.csv", "wrong.csv", *words)
    assert done.code == 0, done.err
    rows = list(csv.DictReader((here / "run" / "scores.csv").read_text().splitlines()))
    found = {row["row"]: float(row["correlation"]) for row in rows}
    assert list(found) == ["right", "wrong", "constant word", "shuffled units", "random weights"]
    assert found["right"] > 0.4
    assert all(found["right"] > found[row] + 0.15 for row in found if row != "right"), found
    assert not (here / "run" / "names.csv").exists()


def test_units_that_the_network_has_not_are_said(vital, here):
    (here / "a.csv").write_text("layer,unit,description\nlayer9,0,bees\n")
    (here / "b.csv").write_text("layer,unit,description\nlayer4,0,\n")
    words = ("--model", "world", "--images", "world", "--encoder", "world")
    for file, said in (
        ("a.csv", "the labels of milan are not of world"),
        ("b.csv", "there is nothing to score"),
    ):
        done = vital("score", file, *words)
        assert (done.code, said in done.err, len(done.err.splitlines())) == (2, True, 1), done.err
    done = vital("score", "a.csv", "--images", "world")
    assert "--images world needs --model MODEL and --encoder" in done.err


@pytest.mark.filterwarnings("ignore:none of the")  # few images
def test_labels_are_judged_on_the_halves_that_they_were_not_chosen_on(vital, here, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "vital.describing.evaluation.table.evaluate_external",
        lambda evaluator, said: asked.append(evaluator.context.split_seed) or ([], []),
    )
    pictures = images(48)
    np.savez(here / "scenes.npz", images=np.stack([pictures[i] for i in range(len(pictures))]))
    done = vital("describe", "world", "class:9", "--images", "scenes.npz", "--out", "run", "--set", "split_seed=3",
                 "--set", "n_random_models=0")  # fmt: skip
    assert done.code == 0, done.err
    (here / "theirs.csv").write_text("layer,unit,description\nlayer4,0,bees\n")
    (here / "ours.csv").write_text("layer,unit,method,label,split_seed\n,class:1,ours,cone,4\n")
    words = ("--model", "world", "--images", "scenes.npz", "--encoder", "world")
    assert vital("score", "run/labels.csv", *words).code == 0
    assert vital("score", "run/labels.csv", "theirs.csv", *words).code == 0
    assert vital("score", "theirs.csv", *words).code == 0
    assert vital("score", "run/labels.csv", *words, "--split-seed", "7").code == 0
    done = vital("score", "run/labels.csv", "ours.csv", *words)
    assert (done.code, "halves of several seeds, 3, 4; score them one by one" in done.err) == (2, True)
    assert vital("score", "run/labels.csv", "ours.csv", *words, "--split-seed", "3").code == 0
    assert asked == [3, 3, 0, 7, 3]


@pytest.mark.parametrize("command", ["score", "agree", "classes", "compare"])
def test_where_an_encoder_computes_is_said_as_everywhere(vital, here, command):
    (here / "a.csv").write_text("layer,unit,method,label\n,class:0,one,cube\n,class:0,two,cube\n")
    (here / "names.txt").write_text("ant\nbee\n")
    words = {
        "score": "score a.csv --names names.txt",
        "agree": "agree a.csv",
        "classes": "classes bee --names names.txt",
        "compare": "compare world class:9 --images world --out run",
    }[command]
    done = vital(f"{words} --encoder world --backend-device nowhere")
    assert (done.code, "the device 'nowhere' cannot be used here" in done.err) == (2, True), done.err
    done = vital(f"{words} --encoder world --backend-batch 2")
    assert (done.code, "--backend-batch is an option of no backend that is named" in done.err) == (2, True)
