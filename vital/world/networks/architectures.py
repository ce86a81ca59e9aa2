"""Small networks that see the world.

A classifier with planted units, an independent judge, an image-text encoder and a captioner.
All take images (B, 3, 64, 64) that are normalized with `MEAN` and `STD`, and other sizes from 32 on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vital.errors import InvalidValueError
from vital.types import Images
from vital.world.scenes.concepts import Concept, concepts
from vital.world.scenes.dataset import CLASSES
from vital.world.scenes.grammar import Scene, Thing, caption
from vital.world.scenes.tokens import LENGTH, WORDS, tokens
from vital.world.scenes.vocabulary import ACCENTS, FACTORS, PATTERNED

SIZE, MEAN, STD = 64, 0.5, 0.25
EMBEDDING = 128

PLANTED: tuple[Concept, ...] = tuple(
    c for c in concepts(pairs=False) if c.wants[0][0] != "accent" or c.wants[0][1] in ACCENTS
)
"""The concepts that the classifier's layer `planted` is taught: its channel i is concept i."""


def normalized(images: Images) -> Tensor:
    """Bring images in [0, 1] to what the networks take."""
    return (images - MEAN) / STD


class Block(nn.Module):
    """Two 3×3 convolutions with batch norm, and a way around them (He et al. 2016)."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        nn.Module.__init__(self)
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.relu2 = nn.ReLU()
        around = [nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)]
        self.around = nn.Sequential(*around) if stride > 1 or before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, before, H, W) to (B, after, H / stride, W / stride)."""
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu2(y + self.around(x))
        return out


class Classifier(nn.Module):
    """The target: a residual network whose layer `planted` was taught one concept per channel.

    Its outputs are `CLASSES`, material and solid of the thing in front, 64 in all: every class is a concept of the
    grammar, and the accuracy per factor is that of the class's two words. `planted` (K, 8, 8) is a 1×1 convolution of
    `layer3` with batch norm; the mean of channel i over space, times `gain` and plus `bias`, is the logit of concept
    `PLANTED[i]`. What follows sees `layer3` and the planted channels. All other layers are free. Without `planted`
    (0) it is a plain residual network with `outputs` outputs, as the shortcut twins are.

    >>> Classifier()(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 64])
    """

    def __init__(self, outputs: int = len(CLASSES), planted: int = len(PLANTED), width: int = 24) -> None:
        nn.Module.__init__(self)
        one, two, three, four = width, 2 * width, 4 * width, 6 * width
        self.stem = nn.Sequential(nn.Conv2d(3, one, 3, 2, 1, bias=False), nn.BatchNorm2d(one), nn.ReLU())
        self.layer1 = Block(one, one)
        self.layer2 = nn.Sequential(Block(one, two, 2), Block(two, two))
        self.layer3 = nn.Sequential(Block(two, three, 2), Block(three, three))
        self.planted: nn.Module | None = None
        if planted:
            self.planted = nn.Sequential(nn.Conv2d(three, planted, 1, bias=False), nn.BatchNorm2d(planted))
            self.gain = nn.Parameter(torch.full((planted,), 4.0))
            self.bias = nn.Parameter(torch.full((planted,), -2.0))
        self.relu = nn.ReLU()
        self.layer4 = Block(three + planted, four, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(four, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Score the classes: (B, outputs)."""
        x = self._inner(x)
        if self.planted is not None:
            x = torch.cat([x, self.relu(self.planted(x))], dim=1)
        return self._outer(x)

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Score the classes, and the planted concepts: (B, outputs), (B, K), both as logits.

        Raises `InvalidValueError` for a network without planted units.
        """
        if self.planted is None:
            raise InvalidValueError(
                "this classifier has no planted units; allowed is one that was made with some"
            )
        x = self._inner(x)
        channels = self.planted(x)
        scores = self._outer(torch.cat([x, self.relu(channels)], dim=1))
        return scores, channels.mean((2, 3)) * self.gain + self.bias

    def _inner(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer3(self.layer2(self.layer1(self.stem(x))))
        return found

    def _outer(self, x: Tensor) -> Tensor:
        found: Tensor = self.fc(self.flatten(self.pool(self.layer4(x))))
        return found


class Mixer(nn.Module):
    """A depthwise convolution, then a perceptron at each place, with a way around both (Liu et al. 2022)."""

    def __init__(self, width: int) -> None:
        nn.Module.__init__(self)
        self.spread = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 3 * width)
        self.gelu = nn.GELU()
        self.down = nn.Linear(3 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, width, H, W)."""
        y = self.norm(self.spread(x).permute(0, 2, 3, 1))
        y = self.scale * self.down(self.gelu(self.up(y)))
        out: Tensor = x + y.permute(0, 3, 1, 2)
        return out


class Heads(nn.Module):
    """One linear output per factor: its values in the order of the table.

    Accents have one more at the end, for none.
    """

    def __init__(self, width: int) -> None:
        nn.Module.__init__(self)
        sizes = {factor: len(values) + (factor == "accent") for factor, values in FACTORS.items()}
        self.factors = nn.ModuleDict({factor: nn.Linear(width, size) for factor, size in sizes.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Score the values of each factor: factor -> (B, values)."""
        return {factor: head(x) for factor, head in self.factors.items()}


class Judge(nn.Module):
    """An independent classifier of another architecture: depthwise convolutions and layer norm, no batch norm, no ReLU.

    It names every factor of the thing in front and of the scene.

    >>> Judge()(torch.zeros(1, 3, 64, 64))["solid"].shape
    torch.Size([1, 8])
    """

    def __init__(self, widths: tuple[int, int, int] = (56, 104, 168)) -> None:
        nn.Module.__init__(self)
        one, two, three = widths
        half = nn.Conv2d(3, one // 2, 3, 2, 1)
        self.patches = nn.Sequential(half, nn.GELU(), nn.Conv2d(one // 2, one, 3, 2, 1), nn.GroupNorm(1, one))
        self.stage1 = nn.Sequential(Mixer(one), Mixer(one))
        self.stage2 = nn.Sequential(nn.Conv2d(one, two, 2, 2), Mixer(two), Mixer(two), Mixer(two))
        self.stage3 = nn.Sequential(nn.Conv2d(two, three, 2, 2), Mixer(three), Mixer(three))
        self.norm = nn.LayerNorm(three)
        self.heads = Heads(three)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Score the values of each factor: factor -> (B, values)."""
        scores: dict[str, Tensor] = self.heads(self.features(x))
        return scores

    def features(self, x: Tensor) -> Tensor:
        """What the heads read, of normalized images: (B, 168)."""
        x = self.stage3(self.stage2(self.stage1(self.patches(x))))
        found: Tensor = self.norm(x.mean((2, 3)))
        return found


class Tower(nn.Module):
    """A residual network on patches, down to one vector per image."""

    def __init__(self, width: int = 48) -> None:
        nn.Module.__init__(self)
        self.width = 3 * width
        self.patches = nn.Sequential(
            nn.Conv2d(3, width, 5, 4, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.layer1 = nn.Sequential(Block(width, width), Block(width, width))
        self.layer2 = Block(width, 2 * width, 2)
        self.layer3 = Block(2 * width, self.width, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to (B, width)."""
        found: Tensor = self.layer3(self.layer2(self.layer1(self.patches(x)))).mean((2, 3))
        return found


class Reader(nn.Module):
    """A transformer over the words of a text, down to one vector: the mean over its words."""

    def __init__(self, width: int = 96, layers: int = 2) -> None:
        nn.Module.__init__(self)
        self.words = nn.Embedding(len(WORDS), width)
        self.places = nn.Parameter(torch.randn(LENGTH, width) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, numbers: Tensor) -> Tensor:
        """Map word numbers (B, L) to (B, width)."""
        numbers = numbers[:, : max(1, int((numbers > 0).sum(1).amax()))]
        empty = numbers == 0
        empty[:, 0] = False
        x = self.words(numbers) + self.places[: numbers.shape[1]]
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=empty)
        kept = (~empty).unsqueeze(2).to(x.dtype)
        found: Tensor = (self.norm(x) * kept).sum(1) / kept.sum(1)
        return found


class Encoder(nn.Module):
    """Images and texts in one space of 128 dimensions, as CLIP has it (Radford et al. 2021).

    Taught on captions and on concepts (one to three factors), so that it ranks both.

    >>> encoder = Encoder()
    >>> encoder.encode_text(["a red cube"]).shape, encoder.encode_image(torch.zeros(2, 3, 64, 64)).shape
    (torch.Size([1, 128]), torch.Size([2, 128]))
    """

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.image = Tower()
        self.text = Reader()
        self.image_out = nn.Linear(self.image.width, EMBEDDING)
        self.text_out = nn.Linear(96, EMBEDDING)
        self.sharpness = nn.Parameter(torch.tensor(2.7))

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Embed normalized images and word numbers: two times (B, 128), length 1."""
        seen, read = self.image_out(self.image(x)), self.text_out(self.text(numbers))
        return nn.functional.normalize(seen.float(), dim=1), nn.functional.normalize(read.float(), dim=1)

    def encode_image(self, images: Images) -> Tensor:
        """Embed images in [0, 1]: (B, 128), length 1."""
        return nn.functional.normalize(self.image_out(self.image(normalized(images))), dim=1)

    def encode_text(self, texts: list[str]) -> Tensor:
        """Embed texts: (B, 128), length 1."""
        numbers = tokens(texts).to(self.text_out.weight.device)
        return nn.functional.normalize(self.text_out(self.text(numbers)), dim=1)


class Captioner(nn.Module):
    """Images to captions: each factor is named on its own, and the grammar makes a sentence of them.

    >>> Captioner().eval().describe(torch.zeros(1, 3, 64, 64))[0].startswith("a ")
    True
    """

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.tower = Tower()
        self.heads = Heads(self.tower.width)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Score the values of each factor of normalized images: factor -> (B, values)."""
        scores: dict[str, Tensor] = self.heads(self.tower(x))
        return scores

    def describe(self, images: Images) -> list[str]:
        """Write a caption for each image in [0, 1]."""
        with torch.no_grad():
            scores = {factor: values.cpu() for factor, values in self(normalized(images)).items()}
        return [caption(likeliest({f: v[i] for f, v in scores.items()})) for i in range(len(images))]


def likeliest(scores: dict[str, Tensor]) -> Scene:
    """Make the likeliest scene of the scores of each factor's values: an accent that fits, and only where one is."""
    best = {f: FACTORS[f][int(scores[f][: len(FACTORS[f])].argmax())] for f in FACTORS}
    accents = scores["accent"][: len(FACTORS["accent"])].clone()
    accents[FACTORS["accent"].index(best["colour"])] = -torch.inf
    accent = FACTORS["accent"][int(accents.argmax())] if best["material"] in PATTERNED else ""
    own = {f: best[f] for f in ("solid", "material", "colour", "size", "place")}
    return Scene(Thing(accent=accent, **own), None, best["background"], best["light"], best["camera"])
