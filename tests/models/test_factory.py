import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from vital.errors import ModelError, UnknownNameError, WeightsError
from vital.models import load_model
from vital.models.factory import from_module

SMALL = """
import torch
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


@pytest.fixture
def write(tmp_path):
    def add(text: str, name: str = "small.py") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return add


def test_without_constants_nothing_is_guessed(write):
    model = load_model(write(SMALL) + ":net")
    assert (model.name, model.size, model.resize) == ("small:net", (224, 224), 224)
    assert (model.mean, model.std, model.channels, model.classes) == ((0.0,), (1.0,), 3, ())
    assert model.weights == "as the factory made them"
    assert not model.module.training


def test_constants_of_the_file_count(write):
    constants = "MEAN, STD = [.1, .2, .3], torch.ones(3)\nSIZE = (8, 6)\nRESIZE = 9\nCLASSES = list('abcd')\n"
    model = load_model(write(SMALL + constants) + ":net")
    assert (model.mean, model.std, model.size, model.resize) == ((0.1, 0.2, 0.3), (1.0, 1.0, 1.0), (8, 6), 9)
    assert (model.classes, model.channels) == (("a", "b", "c", "d"), 3)


def test_a_table_called_channels_is_not_the_number_of_channels(write):
    assert load_model(write(SMALL + "CHANNELS = {'3a': (64, 96)}\n") + ":net").channels == 3


def test_grey_networks_are_seen_by_their_first_convolution(write):
    assert load_model(write(SMALL.replace("Conv2d(3", "Conv2d(1")) + ":net").channels == 1
    assert from_module(nn.Linear(2, 2), "net").channels == 3


def test_what_the_module_says_counts_where_the_file_says_nothing(write):
    text = (
        SMALL.replace("def net", "def bare").replace("nn.Sequential(nn", "nn.Sequential(nn")
        + """
def net():
    made = bare()
    made.pretrained_cfg = {"mean": (.1, .2, .3), "std": (.4, .5, .6), "input_size": (3, 64, 48), "crop_pct": .75}
    return made
"""
    )
    model = load_model(write(text) + ":net")
    assert (model.mean, model.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert (model.size, model.resize) == ((64, 48), 64)
    told = load_model(write(text + "SIZE = 32\nMEAN = .5\n", "told.py") + ":net")
    assert (told.mean, told.std, told.size, told.resize) == ((0.5,), (0.4, 0.5, 0.6), (32, 32), 32)


def test_size_on_request_wins_over_the_file(write):
    model = load_model(write(SMALL + "SIZE = 64\nRESIZE = 72\n") + ":net", size=32)
    assert (model.size, model.resize) == ((32, 32), 36)


def test_a_model_with_its_own_preprocessing_is_taken_as_it_is(write):
    text = (
        SMALL
        + "from vital.models import Model\ndef own():\n    return Model(net(), 'mine', (9, 9), mean=(.5,))\nMEAN = 7\n"
    )
    model = load_model(write(text) + ":own")
    assert (model.name, model.size, model.mean) == ("mine", (9, 9), (0.5,))


def test_the_file_may_hold_dataclasses_and_import_its_neighbors(write):
    write("WIDTH = 5\n", "a_neighbor_of_small.py")
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom torch import nn\n"
        "import a_neighbor_of_small\n@dataclass\nclass Config:\n    width: int = a_neighbor_of_small.WIDTH\n"
        "def net():\n    return nn.Conv2d(3, Config().width, 1)\n"
    )
    before = list(sys.path)
    assert load_model(write(text) + ":net").module.out_channels == 5
    assert sys.path == before


def test_where_we_are_and_what_is_printed_to_stay_as_they_were(write):
    text = (
        SMALL
        + "import os, sys\ndef odd():\n    os.chdir('/')\n    sys.stdout = sys.stderr = None\n    return net()\n"
    )
    before = Path.cwd(), sys.stdout, sys.stderr
    load_model(write(text) + ":odd")
    assert (Path.cwd(), sys.stdout, sys.stderr) == before


def test_a_network_is_made_in_a_folder_that_was_deleted(write, tmp_path, monkeypatch):
    spec = write(SMALL) + ":net"
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert load_model(spec).name == "small:net"


def test_class_names_that_do_not_fit_are_dropped_with_a_warning(write):
    with pytest.warns(
        UserWarning, match=r"^small:net: 3 class names for 4 outputs, so the names are dropped$"
    ):
        model = load_model(write(SMALL + "SIZE = 8\nCLASSES = ['a', 'b', 'c']\n") + ":net")
    assert model.classes == ()


def test_the_same_seed_gives_the_same_weights_and_torchs_own_state_stays(write):
    spec = write(SMALL) + ":net"
    state = torch.get_rng_state()
    hashes = [load_model(spec, weights="random", seed=seed).weights_hash() for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert torch.equal(torch.get_rng_state(), state)
    assert load_model(spec).weights_hash() == hashes[0]
    assert load_model(spec, weights="random").weights == "random"


def test_weights_that_are_the_same_each_time_are_not_called_random(write):
    spec = write(SMALL.replace("def net():", "def net():\n    torch.manual_seed(3)")) + ":net"
    with pytest.raises(WeightsError) as caught:
        load_model(spec, weights="random")
    assert (
        str(caught.value)
        == f"{spec} makes the same weights each time, so weights 'random' gives no random ones"
    )


@pytest.mark.parametrize(
    ("text", "function", "sentence"),
    [
        (
            "def (",
            "net",
            "{path} cannot be imported: SyntaxError: invalid syntax (small.py, line 1); mend it",
        ),
        ("1 / 0", "net", "{path} cannot be imported: ZeroDivisionError: division by zero (small.py, line *"),
        (
            "import absent",
            "net",
            "{path} cannot be imported: ModuleNotFoundError: No module named 'absent' (small.py, line *",
        ),
        (
            "def net():\n    raise KeyError('deep')",
            "net",
            "{path}:net failed: KeyError: 'deep' (small.py, line *",
        ),
        (
            "import sys\ndef net():\n    sys.exit(0)",
            "net",
            "{path}:net failed: SystemExit: 0 (small.py, line 3, in net); *",
        ),
        (
            "raise SystemExit",
            "net",
            "{path} cannot be imported: SystemExit (small.py, line 1, in <module>); mend it",
        ),
        (
            "def net(width): ...",
            "net",
            "{path}:net failed: TypeError: net() missing 1 required positional argument: 'width'; it has to return*",
        ),
        (
            "def net(): ...",
            "net",
            "{path}:net returned a NoneType; allowed are a torch module and a vital.Model",
        ),
        (SMALL + "MEAN = {}\n", "net", "the constant MEAN is {{}}, which cannot be read: *"),
        (
            SMALL + "CLASSES = 'cat'\n",
            "net",
            "the constant CLASSES is 'cat', which cannot be read: allowed is a list of texts",
        ),
        (
            SMALL + "SIZE = 8\nCLASSES = ['a']\nCHANNELS = 2\n",
            "net",
            "small:net cannot run on an image of shape (2, 8, 8): *",
        ),
    ],
)
def test_files_and_functions_that_fail_are_one_sentence(write, text, function, sentence):
    path = write(text)
    with pytest.raises(ModelError) as caught:
        load_model(f"{path}:{function}")
    expected, open_end, _ = sentence.format(path=path).partition("*")
    assert str(caught.value).startswith(expected)
    assert open_end or str(caught.value) == expected
    assert "\n" not in str(caught.value)


def test_a_wrong_function_answers_with_the_nearest(write):
    with pytest.raises(UnknownNameError) as caught:
        load_model(write(SMALL) + ":ned")
    assert str(caught.value) == "unknown function in small.py 'ned'; did you mean 'net'?"


def test_a_wrong_file_answers_with_the_nearest(write, tmp_path):
    write(SMALL)
    with pytest.raises(ModelError) as caught:
        load_model(f"{tmp_path}/smal.py:net")
    assert str(caught.value) == f"there is no file {tmp_path}/smal.py; did you mean '{tmp_path}/small.py'?"
