from collections.abc import Callable
from typing import Any

Cli = Callable[..., Any]


def test_layers_show_kind_shape_and_how_to_write_a_unit(vital: Cli) -> None:
    answer = vital("layers", "net.py:make")
    assert answer.code == 0
    lines = [line.split() for line in answer.out.splitlines()]
    assert answer.out.startswith("net:make, images of 3 x 16 x 16, 8 layers\n")
    assert ["0", "map", "8", "x", "6", "x", "6", "8", "0:0"] in lines
    assert ["class", "vector", "5", "5", "class:0", "or", "class:ant"] in lines


def test_layers_whose_units_compete_say_in_blocks_of_how_many(vital: Cli) -> None:
    lines = vital("layers", "lwta:2/net.py:make").out.splitlines()
    assert len(lines) > 5
    told = [line for line in lines if "competing by 2" in line]
    assert 0 < len(told) < len(lines) - 2
    assert "competing" not in vital("layers", "net.py:make").out


def test_the_input_size_changes_the_shapes(vital: Cli) -> None:
    assert "8 x 14 x 14" in vital("layers", "net.py:make", "--input-size", 32).out


def test_a_layer_that_cannot_be_used_says_why(vital: Cli, here: Any) -> None:
    (here / "twice.py").write_text(
        "import torch\n\nclass Net(torch.nn.Module):\n"
        "    def __init__(self):\n        torch.nn.Module.__init__(self)\n"
        "        self.part = torch.nn.Conv2d(3, 3, 1)\n"
        "    def forward(self, x):\n        return self.part(self.part(x))\n"
    )
    assert "cannot be used: it runs 2 times in one pass" in vital("layers", "twice.py:Net").out


def test_every_unit_that_is_suggested_can_be_rendered(vital: Cli, here: Any) -> None:
    (here / "odd.py").write_text(
        "import torch\nfrom torch import nn\n\nSIZE = 16\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        nn.Module.__init__(self)\n"
        "        self.stem = nn.Conv2d(3, 4, 3)\n        self.act = nn.ReLU()\n"
        "        self.heads = nn.ModuleDict({'a:b': nn.Conv2d(4, 4, 3), 'c#d': nn.Conv2d(4, 4, 3)})\n"
        "        self.heads['7:1'] = nn.Flatten(2)\n"
        "    def forward(self, x):\n        x = self.act(self.stem(x))\n"
        "        for head in self.heads.values():\n            x = self.act(head(x)) if x.ndim == 4 else x\n"
        "        return x.mean((2, 3)) if x.ndim == 4 else x.mean(2)\n"
    )
    lines = vital("layers", "odd.py:Net").out.splitlines()
    told = [line.split()[-1] for line in lines if line.split()[1] in ("map", "tokens", "vector")]
    assert told == ["class:0", "stem:0", "heads.a:b:0", "heads.c#d:0", "heads.7:1:0#patches"]
    assert lines[-1].startswith("act ")
    assert "name a layer before or after it" in lines[-1]
    answer = vital("render", "odd.py:Net", *told, "--method", "fourier", "--steps", 1, "--out", "run")
    assert answer.code == 0, answer.err
