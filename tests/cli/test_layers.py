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
