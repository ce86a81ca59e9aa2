"""Labels beside labels, labels as classes."""

import csv
import re

import pytest

from vital.describing.run_folder import COLUMNS


def test_methods_are_compared_by_words_and_by_an_encoder(vital, here):
    head = "layer,unit,method,label\n"
    (here / "a.csv").write_text(f"{head},class:0,mine,red cube\n,class:1,mine,cone\n,class:2,mine,\n")
    (here / "b.csv").write_text(f"{head},class:0,mine,cube\n,class:1,mine,snow\n,class:2,mine,snow\n")
    done = vital("agree", "a.csv", "b.csv", "--out", "agree.csv")
    assert done.code == 0, done.err
    assert done.out.splitlines()[1].split()[:7] == ["mine,", "a", "mine,", "b", "2", "0.250", "0.000"]
    rows = list(csv.DictReader((here / "agree.csv").read_text().splitlines()))
    assert [(row["unit"], row["likeness"]) for row in rows] == [("class:0", "0.5"), ("class:1", "0")]
    done = vital("agree", "a.csv", "b.csv", "--encoder", "world")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 2
    done = vital("agree", "a.csv")
    assert (done.code, "labels of 1 method" in done.err) == (2, True)


def test_a_description_finds_its_class(vital, here):
    done = vital("classes", "a wooden cube", "--encoder", "world", "--model", "world", "--count", "2")
    assert done.code == 0, done.err
    assert done.out.splitlines()[1].startswith("wooden cube")
    assert len(done.out.splitlines()) == 3
    (here / "names.txt").write_text("metal cone\nwooden cube\n")
    done = vital("classes", "a wooden cube", "--encoder", "world", "--names", "names.txt")
    assert done.out.splitlines()[1].startswith("wooden cube")
    for words, said in ((("--encoder", "world"), "give --names FILE"), ((), "give --encoder")):
        done = vital("classes", "a wooden cube", *words)
        assert (done.code, said in done.err) == (2, True)


@pytest.mark.slow
def test_with_a_sentence_encoder_a_puppy_is_a_dog(vital, here, sentences):
    head = "layer,unit,method,label\n"
    (here / "a.csv").write_text(f"{head},class:0,clip-dissect,puppy\n,class:1,clip-dissect,racing car\n")
    (here / "b.csv").write_text(f"{head},class:0,prototype,dog\n,class:1,prototype,automobile\n")
    done = vital("agree", "a.csv", "b.csv", "--encoder", sentences, "--out", "agree.csv")
    assert done.code == 0, done.err
    rows = list(csv.DictReader((here / "agree.csv").read_text().splitlines()))
    assert all(float(row["above"]) > 0.5 for row in rows)
    done = vital("agree", "a.csv", "b.csv")
    assert done.out.splitlines()[1].split()[3:] == ["0.000", "0.000", "0.000", "0.000"]

    (here / "names.txt").write_text("cat\ndog\ncar\n")
    done = vital("classes", "a puppy", "--encoder", sentences, "--names", "names.txt")
    assert done.out.splitlines()[1].startswith("dog")

    (here / "run").mkdir()
    (here / "run" / "labels.csv").write_text(
        f"{','.join(COLUMNS)}\n" + "".join(
            f"fc,fc:0,{method},{word},{word},1,0.01,stands,,[],[],0,0,net\n"
            for method, word in (("clip-dissect", "puppy"), ("prototype", "dog"))
        )
    )  # fmt: skip
    agreed = []
    for options in ((), ("--encoder", sentences)):
        done = vital("report", "run", *options)
        assert done.code == 0, done.err
        page = (here / "run" / "report.html").read_text()
        agreed += [float(share) for share in re.findall(r'data-agreement="([\d.]+)"', page)]
    assert agreed[0] == 0
    assert agreed[1] > 0.5
