import subprocess
import sys

import pytest
import torch
from torch import nn

from vital.errors import InvalidValueError, UsageError, WeightsError
from vital.models import Model, load_model

FORMS = "write world, torchvision:NAME[/WEIGHTS], timm:NAME, hf:NAME, open_clip:NAME/PRETRAINED "
FORMS += "or path/to/file.py:FUNCTION"


def refusal(kind: type[Exception], *given, **options) -> str:
    with pytest.raises(kind) as caught:
        load_model(*given, **options)
    return str(caught.value)


def test_a_module_is_taken_as_it_is():
    module = nn.Conv2d(1, 4, 3).train()
    model = load_model(module, size=(20, 30))
    assert model.module is module
    assert (model.name, model.size, model.resize, model.channels, model.weights) == (
        "Conv2d",
        (20, 30),
        20,
        1,
        "as given",
    )
    assert module.training


def test_a_model_keeps_its_preprocessing_and_scales_its_resize():
    given = Model(nn.Conv2d(3, 2, 1), "mine", (64, 64), mean=(0.5,), resize=72, classes=("a", "b"))
    model = load_model(given, size=32)
    assert (model.size, model.resize, model.mean, model.classes) == ((32, 32), 36, (0.5,), ("a", "b"))
    assert load_model(given) is given


def test_weights_for_a_given_module_go_into_a_copy(tmp_path):
    module = nn.Conv2d(3, 4, 1)
    before = module.weight.clone()
    torch.save({"weight": torch.ones(4, 3, 1, 1), "bias": torch.zeros(4)}, tmp_path / "ones.pt")
    model = load_model(module, weights=tmp_path / "ones.pt")
    assert torch.equal(model.module.weight, torch.ones(4, 3, 1, 1))
    assert torch.equal(module.weight, before)
    assert model.weights == "ones.pt"


def test_a_given_module_has_no_random_weights():
    sentence = "weights 'random' needs a model named by a string; a module that exists keeps its weights"
    assert refusal(InvalidValueError, nn.Conv2d(3, 4, 1), weights="random") == sentence


def test_weights_that_do_not_exist_are_refused_before_anything_is_built():
    assert refusal(WeightsError, "torchvision:resnet152", weights="no.pt") == "there is no weights file no.pt"


@pytest.mark.parametrize("size", [0, -3, (8,), (8, 0), (8, 8, 8), 2.5, (2.5, 2)])
def test_impossible_sizes_are_refused(size):
    sentence = f"the size is {size}; allowed are a whole number from 1 or (height, width)"
    assert refusal(InvalidValueError, nn.Conv2d(3, 4, 1), size=size) == sentence


def test_a_device_that_is_not_here_is_refused():
    assert refusal(InvalidValueError, nn.Conv2d(3, 4, 1), device="cuda:99").startswith(
        "the device 'cuda:99' cannot be used here"
    )


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        (
            "resnet50",
            FORMS,
        ),
        (
            "",
            FORMS,
        ),
        ("torchvison:resnet50", "did you mean 'torchvision:resnet50'?"),
        ("openclip:RN50", "did you mean 'open_clip:RN50'?"),
        ("nets/small.py", "name the function that makes it: nets/small.py:FUNCTION"),
    ],
)
def test_an_unknown_spec_says_what_to_write(spec, hint):
    assert refusal(UsageError, spec) == f"unknown model {spec!r}; {hint}"


def test_importing_the_package_loads_no_model_library():
    heavy = "{'torchvision', 'timm', 'open_clip', 'transformers', 'kornia', 'matplotlib'}"
    code = f"import sys, vital.models.load, vital.data.open; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")
