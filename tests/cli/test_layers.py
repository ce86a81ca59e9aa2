import shlex
from collections.abc import Callable
from typing import Any

import torch

from vital.models import load_model

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


def commands(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("  vital ")]


def test_the_commands_to_go_on_with_work_as_they_stand(vital: Cli, here: Any, pictures: Any) -> None:
    (here / "path" / "to").mkdir(parents=True)
    pictures.rename(here / "path" / "to" / "images")
    (here / "my names.txt").write_text("a\nb\nc\nd\ne\n")
    torch.save(load_model("net.py:make").module.state_dict(), here / "path" / "to" / "checkpoint.pt")
    answer = vital("layers", "net.py:make", "--input-size", 20, "--classes", "my names.txt")
    assert "your weights for path/to/checkpoint.pt; leave --weights out if make() loads them" in answer.err
    atlas, render = commands(answer.err)
    assert atlas == (
        "vital atlas net.py:make --layers class:0-3,3:0-3 --input-size 20 --classes 'my names.txt' "
        "--weights path/to/checkpoint.pt --images path/to/images --out runs/net"
    )
    for line in (atlas, render):
        words = shlex.split(line)[1:]
        done = vital(words[0], *words[1:], "--steps", 2)
        assert done.code < 2, done.err  # after two steps some pictures excite nothing yet
    assert (here / "runs" / "net" / "index.html").is_file()
    assert (here / "runs" / "net-fourier" / "sheet.png").is_file()
    assert commands(vital("layers", "net.py:make", "--quiet").err) == []
    given = vital("layers", "net.py:make", "--weights", "path/to/checkpoint.pt").err
    assert [line.count("--weights") for line in commands(given)] == [1, 1]
    assert "your weights" not in given
    index = (here / "runs" / "net" / "index.html").read_text(encoding="utf-8")
    assert "has learned nothing" not in index


def test_the_built_in_network_has_images_of_its_own(vital: Cli) -> None:
    told = vital("layers", "world", "--head", 0).err
    assert commands(told) == [
        "vital atlas world --layers class:0-3,layer4:0-3 --head 0 --images world --out runs/world"
    ]


def test_a_file_whose_name_begins_like_the_built_in_network_is_shown_images_of_its_own(
    vital: Cli, here: Any
) -> None:
    (here / "net.py").rename(here / "world_net.py")
    atlas, _ = commands(vital("layers", "world_net.py:make").err)
    assert "--weights path/to/checkpoint.pt --images path/to/images --out runs/world_net" in atlas


def test_units_of_tokens_are_those_of_patches(vital: Cli, here: Any) -> None:
    (here / "vit.py").write_text(
        "import torchvision\nfrom torch import nn\n\nSIZE = 32\n\ndef make():\n"
        "    net = torchvision.models.VisionTransformer(32, 8, 3, 2, 16, 32, num_classes=3)\n"
        "    nn.init.normal_(net.heads[0].weight)\n    return net\n"
    )
    _, render = commands(vital("layers", "vit.py:make", "--weights", "random").err)
    assert render == (
        "vital render vit.py:make class:0-2 'encoder.layers.encoder_layer_2:0-3#patches' --weights random "
        "--method fourier --out runs/vit-fourier"
    )
    words = shlex.split(render)[1:]
    assert vital(words[0], *words[1:], "--steps", 2).code == 0
