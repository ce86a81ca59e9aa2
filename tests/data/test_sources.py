"""The parts of a set go by the content of its pictures."""

import numpy as np
import torch
from PIL import Image

from vital.data import ImageSet, joined, load_images
from vital.data.sources import selected
from vital.world.scenes.dataset import image_set, images, scenes_of


def arrays(count: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 8, 8, 3), dtype=np.uint8)


def test_a_picture_s_part_does_not_depend_on_its_place() -> None:
    pixels, order = arrays(), np.random.default_rng(1).permutation(60)
    first, second = load_images(pixels).part(), load_images(pixels[order]).part()
    assert torch.equal(first[torch.from_numpy(order)], second)
    assert 15 < int(first.sum()) < 45


def test_files_scenes_and_lists_keep_theirs_in_another_order_and_company(tmp_path) -> None:
    for i, pixels in enumerate(arrays(20)):
        Image.fromarray(pixels).save(tmp_path / f"{i:02d}.png")
    folder = load_images(tmp_path)
    part = folder.part()
    for i, pixels in enumerate(arrays(20)):
        (tmp_path / "new").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "new" / f"{99 - i}.png")
    assert load_images(tmp_path / "new").part().tolist() == part.flip(0).tolist()
    few = ImageSet(selected(folder.source, [7, 3]), ("7", "3"), (None, None))
    assert few.part().tolist() == [part[7], part[3]]
    scenes = scenes_of(images(40, seed=5))
    whole = image_set(scenes).part()
    assert torch.equal(image_set(scenes[::-1]).part(), whole.flip(0))
    both = joined([image_set(scenes[:10]), image_set(scenes[30:])])
    assert torch.equal(both.part(), torch.cat([whole[:10], whole[30:]]))


def test_equal_pictures_are_in_one_part_and_a_seed_makes_another() -> None:
    pixels = arrays(4).repeat(10, axis=0)
    part = load_images(pixels).part()
    assert all(len(set(part[i : i + 10].tolist())) == 1 for i in range(0, 40, 10))
    shown = load_images(arrays())
    assert not torch.equal(shown.part(), shown.part(seed=1))
    assert not torch.equal(shown.part(), shown.part(name="other"))
    assert torch.equal(shown.part(), load_images(arrays()).part())
    assert (int(shown.part(0.0).sum()), int(shown.part(1.0).sum())) == (0, 60)
