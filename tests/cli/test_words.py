"""Labels beside labels, labels as classes."""

import csv


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
