import math
import re
from pathlib import Path

import pytest

from vital.describing.evaluation.importers import (
    IMPORTERS,
    detected,
    import_files,
    import_labels,
    layer_of,
)
from vital.errors import DataError, RunError, UnknownNameError, UsageError

FILES = {
    "netdissect": ("net_fc.csv", "unit,category,label,score,color-label\n1,scene,heliport-s,0.18,blue-c\n"),
    "clip-dissect": ("x.csv", 'layer,unit,description,similarity\nfc,0,"tench, Tinca tinca",0.9\n'),
    "milan": ("x.csv", "layer,unit,description\nconv1,0,Neon green\n"),
    "milannotations": ("x.csv", 'layer,unit,summary\nlayer3,2,"wool, stairs"\nlayer3,2,a mask\n'),
    "dnd": ("m_layer2.csv", "Neuron ID,Label 1,Label 2,Label 3\n6,checks,checkers, \n"),
    "invert": ("resnet18-fc.csv", "neuron,concept,concept_id,metric\n0,tench,n01440764,0.999\n"),
    "cosy": ("evaluation_INVERT_resnet18-fc.csv", "neuron,concept,AUC,U1,p,MAD\n3,shark,0.75,9,0.01,2.5\n"),
    "linear-explanations": (
        "le_layer4.csv",
        (
            "unit,val correlation,weight0,concept0,weight1,concept1,weight2,concept2,bias,sim correlation\n"
            "0,0.4,1.5,tube,-2.5,bottle,0.0,0,0.3,0.25\n"
        ),
    ),
    "vital": (
        "labels.csv",
        (
            "layer,unit,method,label,candidate,score,p_value,others,evidence,seed,model\n"
            'class,class:3,clip-dissect,,cube,0.5,0.2,"[[""ball"", 0.25]]","[""a.png""]",4,world\n'
        ),
    ),
}


@pytest.fixture
def held(tmp_path):
    def held(form):
        name, text = FILES[form]
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return held


def test_there_is_a_file_of_every_format():
    assert set(FILES) == set(IMPORTERS)


@pytest.mark.parametrize("form", FILES)
def test_a_file_is_known_by_its_header_and_read_the_same_when_forced(held, form):
    found = import_labels(held(form))
    assert repr(found) == repr(import_labels(held(form), form))
    assert all(one.label or one.candidate for one in found)


def test_what_each_format_says(held):
    first = {form: import_labels(held(form))[0] for form in FILES}
    assert {form: (str(one.unit), one.label, one.method) for form, one in first.items()} == {
        "netdissect": ("fc:0", "heliport", "netdissect"),
        "clip-dissect": ("fc:0", "tench, Tinca tinca", "clip-dissect"),
        "milan": ("conv1:0", "Neon green", "milan"),
        "milannotations": ("layer3:2", "wool, stairs", "human-1"),
        "dnd": ("layer2:6", "checks", "dnd"),
        "invert": ("fc:0", "tench", "invert"),
        "cosy": ("fc:3", "shark", "cosy"),
        "linear-explanations": ("layer4:0", "tube", "linear-explanations"),
        "vital": ("class:3", "", "clip-dissect"),
    }
    assert [first[form].score for form in ("netdissect", "invert", "cosy")] == [0.18, 0.999, 0.75]
    assert math.isnan(first["dnd"].score)
    assert [text for text, _ in first["dnd"].others] == ["checkers"]
    assert first["cosy"].p_value is None
    assert first["cosy"].details == {"U1": 9.0, "p": 0.01, "MAD": 2.5}
    assert first["linear-explanations"].others == (("bottle", -2.5),)
    assert first["netdissect"].details["published"] == "heliport-s"


def test_our_own_file_comes_back_as_it_was(held):
    (one,) = import_labels(held("vital"))
    assert (one.candidate, one.p_value, one.others, one.evidence) == (
        "cube",
        0.2,
        (("ball", 0.25),),
        ("a.png",),
    )
    assert (one.seed, one.model) == (4, "world")


def test_sentences_of_several_people_stand_apart(held):
    assert [one.method for one in import_labels(held("milannotations"))] == ["human-1", "human-2"]


def test_a_header_that_two_tools_share_is_told_by_the_folder():
    header = ["layer", "unit", "description"]
    assert detected(Path("CLIP_Dissect_results/x.csv"), header) == "clip-dissect"
    assert detected(Path("results/x.csv"), header) == "milan"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the\nof\n", "known are vital: unit,method,label; netdissect"),
        ("", "is empty"),
        ("layer,unit,description\n", "holds a header and no labels"),
        ("layer,unit,description\nfc,x,a dog\n", "line 2: the unit is 'x'; allowed are whole numbers from 0"),
        (
            "layer,unit,description\nfc,1,a dog, a cat\n",
            "line 2: it has more cells than the header has names",
        ),
        (
            "unit,category,label,score\n0,scene,sea,1\n",
            "line 2: the unit is '0'; allowed are whole numbers from 1",
        ),
        ("unit,method,labels\nclass:0,dnd,sea\n", "did you mean 'label'?"),
        ("unit,method,label,score\nclass:0,dnd,sea,high\n", "the score is 'high'; allowed are numbers"),
        ('layer,unit,description\nfc,0,"a dog\n', "is no table of comma-separated text"),
    ],
)
def test_a_wrong_file_gets_one_clear_sentence(tmp_path, text, said):
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(DataError) as caught:
        import_labels(tmp_path / "labels.txt")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_requests_say_what_is_known(tmp_path, held):
    with pytest.raises(RunError):
        import_labels(tmp_path / "nowhere.csv")
    with pytest.raises(UnknownNameError, match="did you mean 'milan'"):
        import_labels(held("milan"), "millan")
    with pytest.raises(DataError, match="is no invert file: its header must have neuron"):
        import_labels(held("dnd"), "invert")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00unit")
    with pytest.raises(DataError):
        import_labels(tmp_path / "binary.csv")


def test_the_layer_is_the_end_of_the_name_or_what_was_given(held):
    assert layer_of(Path("resnet50_imagenet_broden_fc.csv")) == "fc"
    assert layer_of(Path("vgg16_bn_cifar100_features[43].csv")) == "features[43]"
    assert str(import_labels(held("dnd"), layer="head")[0].unit) == "head:6"
    assert str(import_labels(held("milan"), layer="head")[0].unit) == "conv1:0"


def test_every_published_file_beside_the_repository_is_read(shared):
    files = sorted((shared / "data/concepts/peer_results").rglob("*.csv"))
    counts = {file.name: len(import_labels(file)) for file in files if file.name != STUDY}
    assert len(counts) >= 20
    assert counts["m_base_resnet50_imagenet.csv"] == 4904
    assert counts["MILANNOTATIONS_resnet152_imagenet.csv"] == 11712
    with pytest.raises(DataError):
        import_labels(next(file for file in files if file.name == STUDY))


STUDY = "RN50_table_4_scoring_function.csv"


def test_a_weight_below_zero_makes_no_label(tmp_path):
    header = "unit,weight0,concept0,weight1,concept1,sim correlation\n"
    (tmp_path / "fc.csv").write_text(f"{header}0,-3,snow,-1,grass,0.5\n1,-3,snow,0.5,grass,inf\n2,,,,,nan\n")
    none, positive, empty = import_labels(tmp_path / "fc.csv")
    assert (none.label, none.reason) == ("", "no weight of the sum is positive")
    assert none.others == (("grass", -1.0), ("snow", -3.0))
    assert (positive.label, positive.others) == ("grass", (("snow", -3.0),))
    assert math.isnan(positive.score)
    assert empty.label == ""


@pytest.mark.parametrize("weight", ["inf", "nan", "-Infinity"])
def test_a_weight_that_is_no_number_is_told_with_its_line(tmp_path, weight):
    header = "unit,weight0,concept0,sim correlation\n"
    (tmp_path / "fc.csv").write_text(f"{header}0,1,snow,0.5\n1,{weight},dog,0.5\n")
    with pytest.raises(DataError, match=rf"line 3: the weight of 'dog' is '{weight}'"):
        import_labels(tmp_path / "fc.csv")


def test_further_labels_stand_in_the_order_of_their_numbers(tmp_path):
    names = [f"Label {i}" for i in range(1, 13)]
    (tmp_path / "fc.csv").write_text(f"Neuron ID,{','.join(names)}\n0,{','.join(map(str, range(1, 13)))}\n")
    (one,) = import_labels(tmp_path / "fc.csv")
    assert [one.label, *(text for text, _ in one.others)] == [str(i) for i in range(1, 13)]


def test_files_of_one_format_stay_apart(tmp_path):
    files = [tmp_path / name for name in ("one/fc.csv", "two/fc.csv", "two/le.csv", "two/other.csv")]
    for file, text in zip(files, ("bee", "wasp", "ant", "cat"), strict=True):
        file.parent.mkdir(exist_ok=True)
        dnd = f"Neuron ID,label\n0,{text}\n"
        file.write_text(
            dnd if file.name == "other.csv" else f"layer,unit,description,similarity\nfc,0,{text}\n"
        )
    said = import_files(files)
    methods = [part[0].method for part in said]
    assert methods == ["clip-dissect, one/fc", "clip-dissect, two/fc", "clip-dissect, le", "dnd"]
    assert [part[0].label for part in said] == ["bee", "wasp", "ant", "cat"]
    with pytest.raises(UsageError, match="is given twice"):
        import_files([files[0], tmp_path / "two" / ".." / "one" / "fc.csv"])


OURS = "unit,method,label,score,p_value,others,seed,split_seed,status\n"


def test_numbers_of_labels_are_read_as_tables_write_them(tmp_path: Path) -> None:
    (tmp_path / "fc.csv").write_text(f"{OURS}fc:0,m,dog,inf,0.1,[],0.0,3.0,\nfc:1,m,cat,1,,[],,,taken back\n")
    first, second = import_labels(tmp_path / "fc.csv")
    assert (first.seed, first.split_seed, math.isnan(first.score)) == (0, 3, True)
    assert (second.label, second.candidate, second.split_seed) == ("", "cat", None)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"[""cat"", ""bird""]"', ["cat", "bird"]),
        ('"{""cat"": 1, ""bird"": 2}"', ["cat", "bird"]),
        ('"[[""cat"", NaN], ""bird""]"', ["cat", "bird"]),
        ("cat; bird", ["cat", "bird"]),
        ("3", ["3"]),
        ("", []),
    ],
)
def test_the_next_best_are_read_in_every_form(tmp_path: Path, written: str, read: list[str]) -> None:
    (tmp_path / "fc.csv").write_text(f"{OURS}fc:0,m,dog,1,,{written},0,,\n")
    assert [text for text, _ in import_labels(tmp_path / "fc.csv")[0].others] == read


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("fc:0,m,dog,1,,[],x,,", "the seed is 'x'; allowed are whole numbers from 0"),
        ("fc:0,m,dog,1,,[],0,-1,", "the split_seed is '-1'; allowed"),
        ("fc:0,m,dog,1,7,[],0,,", "the p_value is 7; allowed are numbers from 0 to 1"),
        ("fc:0,m,dog,1,,[],0,,maybe", "the status is 'maybe'; allowed are stands"),
        ('fc:0,m,dog,1,,"[[1, 2, 3]]",0,,', "line 2: "),
    ],
)
def test_rows_that_cannot_be_are_refused_in_one_sentence(tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "fc.csv").write_text(f"{OURS}{row}\n")
    with pytest.raises(DataError, match=re.escape(said)):
        import_labels(tmp_path / "fc.csv")


def test_a_sum_of_more_than_ten_concepts_is_read_whole(tmp_path: Path) -> None:
    head = ",".join(f"weight{i},concept{i}" for i in range(12))
    row = ",".join(f"{i},c{i}" for i in range(12))
    (tmp_path / "fc.csv").write_text(f"unit,{head},sim correlation\n0,{row},0.5\n")
    assert import_labels(tmp_path / "fc.csv")[0].label == "c11"
