import hashlib
import time
from dataclasses import replace

import pytest
import torch

from vital.errors import InvalidValueError
from vital.world.renderer.render import render
from vital.world.scenes.grammar import Scene, Thing, sample
from vital.world.scenes.vocabulary import FACTORS, THING_FACTORS

SIDE = 32


def drawn(count: int, seed: int = 0) -> list[Scene]:
    return sample(torch.Generator().manual_seed(seed), count, pairs=0.3)


def changed(scene: Scene, factor: str, value: str) -> Scene:
    if factor in THING_FACTORS:
        return replace(scene, thing=replace(scene.thing, **{factor: value}))
    return replace(scene, **{factor: value})


def test_pictures_have_the_promised_shape_type_and_range() -> None:
    pictures = render(drawn(5), 40)
    assert pictures.shape == (5, 3, 40, 40)
    assert pictures.dtype == torch.float32
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert torch.equal((pictures * 255).round() / 255, pictures)


def test_no_scenes_give_no_pictures() -> None:
    assert render([], 16).shape == (0, 3, 16, 16)


@pytest.mark.parametrize("size", [0, 7, 513])
def test_a_size_that_cannot_be_is_refused(size: int) -> None:
    with pytest.raises(InvalidValueError, match="8 to 512"):
        render([Scene()], size)


def test_the_same_scenes_give_the_same_bytes() -> None:
    digests = {hashlib.sha256(render(drawn(12), SIDE).numpy().tobytes()).hexdigest() for _ in range(2)}
    assert len(digests) == 1


def test_a_picture_does_not_depend_on_its_company() -> None:
    scenes = drawn(24, seed=3)
    together = render(scenes, SIDE)
    alone = torch.cat([render([scene], SIDE) for scene in scenes])
    backwards = render(scenes[::-1], SIDE).flip(0)
    assert torch.equal(together, alone)
    assert torch.equal(together, backwards)


def test_a_picture_does_not_depend_on_the_number_of_threads() -> None:
    one = render(drawn(1), 96)  # work is only shared out from 32768 numbers on
    torch.set_num_threads(2)
    assert torch.equal(render(drawn(1), 96), one)


@pytest.mark.parametrize("factor", FACTORS)
def test_every_value_of_a_factor_changes_the_picture(factor: str) -> None:
    base = Scene(Thing("cube", "striped", "red", "white"))
    values = [v for v in FACTORS[factor] if factor not in ("accent", "colour") or v not in ("red", "white")]
    plain = replace(base, thing=replace(base.thing, material="plain", accent=""))
    scenes = [
        changed(base if factor != "material" or v in ("striped", "checkered", "dotted") else plain, factor, v)
        for v in values
    ]
    pictures = render(scenes, SIDE)
    for i in range(len(values)):
        for j in range(i):
            share = ((pictures[i] - pictures[j]).abs().amax(0) > 0.08).float().mean()
            assert share > 0.015, (values[i], values[j])


def test_a_variation_changes_details_and_none_is_the_caption_s_own() -> None:
    scene = Scene(Thing("cube", "marble", "red"))
    pictures = render([scene, replace(scene, variation=1), replace(scene, variation=2)], SIDE)
    assert not torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[1], pictures[2])


def test_colors_are_those_of_their_names() -> None:
    names = ("red", "green", "blue")
    middle = render([Scene(Thing("cube", colour=name)) for name in names], SIDE)[:, :, 14:18, 14:18].mean(
        (2, 3)
    )
    assert middle.argmax(1).tolist() == [0, 1, 2]


def test_a_thing_is_where_its_caption_says_and_as_large() -> None:
    def blob(place: str, size: str) -> torch.Tensor:
        scene = Scene(Thing(colour="red", place=place, size=size), background="snow", light="front")
        red, green, _ = render([scene], 48)[0]
        return ((red - green) > 0.35).float()

    across = torch.linspace(-1, 1, 48)
    centers = [
        ((m := blob(place, "large")) * across).sum() / m.sum() for place in ("left", "middle", "right")
    ]
    assert centers[0] < -0.2 < centers[1] < 0.2 < centers[2]
    assert blob("middle", "large").sum() > 1.6 * blob("middle", "small").sum() > 0


def test_a_shadow_lies_away_from_the_light() -> None:
    left, right = render([Scene(background="sand", light=light) for light in ("left", "right")], SIDE)
    ground = slice(20, 26)
    assert left[:, ground, 22:].mean() < right[:, ground, 22:].mean() - 0.02
    assert right[:, ground, :10].mean() < left[:, ground, :10].mean() - 0.02


def test_a_second_thing_is_seen_behind_the_first() -> None:
    one = Scene(Thing(colour="red", place="left"), background="snow")
    two = replace(one, behind=Thing("cube", colour="blue", place="right"))
    pictures = render([one, two], SIDE)
    blue = (pictures[:, 2] - pictures[:, 0] > 0.4).float().mean((1, 2))
    assert blue[1] > blue[0] + 0.02


def test_pictures_at_two_sizes_show_the_same() -> None:
    scenes = drawn(4, seed=8)
    large = torch.nn.functional.avg_pool2d(render(scenes, 64), 2)
    assert (large - render(scenes, 32)).abs().mean() < 0.02


@pytest.mark.gpu
def test_another_device_gives_the_same_pictures_but_for_a_step_here_and_there() -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    far = (render(drawn(64), SIDE) - render(drawn(64), SIDE, "cuda")).abs()
    assert (far > 2.5 / 255).float().mean() < 0.01


def test_speed_is_printed() -> None:
    scenes = drawn(32, seed=1)
    start = time.perf_counter()
    render(scenes, 64)
    print(f"\n{(time.perf_counter() - start) / len(scenes) * 1e3:.1f} ms an image at 64 pixels")


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="cpu"):
        render([Scene()], 16, "nowhere")
