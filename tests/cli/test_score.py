import csv


def test_labels_are_held_against_names(vital, here):
    (here / "fc.csv").write_text("layer,unit,description\nfc,0,bees\nfc,1,honey bee\nfc,2,\n")
    (here / "names.txt").write_text("ant\nbee, honey bee\ncat\n")
    done = vital("score", "fc.csv", "--names", "names.txt", "--out", "run")
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0][:4] == ["method", "units", "labelled", "distinct"]
    assert [line[0] for line in lines[1:]] == ["milan", "constant", "shuffled", "next"]
    rows = list(csv.DictReader((here / "run" / "scores.csv").read_text().splitlines()))
    assert [row["row"] for row in rows] == ["", "constant word", "shuffled units", "next name"]
    assert (rows[0]["units"], rows[0]["labelled"], rows[0]["exact"]) == ("3", "2", "0.333333")


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
        (("a.csv",), "give --names FILE or --model MODEL"),
        (("a.csv", "--names", "names.txt"), "give --layer, one of: layer4"),
        (("a.csv", "--names", "names.txt", "--format", "nets"), "unknown format of labels 'nets'"),
        (("a.csv", "--names", "names.txt", "--format", "dnd"), "is no dnd file"),
        (("b.csv", "--names", "names.txt"), "cannot read 'b.csv'"),
    ):
        done = vital("score", *words)
        assert done.code in (1, 2)
        assert said in done.err
        assert len(done.err.splitlines()) == 1
