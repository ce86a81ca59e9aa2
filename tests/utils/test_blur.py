from __future__ import annotations

import pytest
import torch
from kornia.filters import gaussian_blur2d

from vital.utils.blur import gaussian_blur


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_a_blur_is_kornias(sigma: float) -> None:
    images = torch.rand(2, 3, 20, 31, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = gaussian_blur2d(images, 17, (sigma, sigma), border_type="replicate")
    torch.testing.assert_close(gaussian_blur(images, sigma, 8), expected)


def test_each_image_has_its_own_width() -> None:
    images = torch.rand(2, 1, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = gaussian_blur(images, torch.tensor([[0.5], [2.0]], dtype=torch.float64), 4)
    for i, sigma in enumerate((0.5, 2.0)):
        torch.testing.assert_close(together[i : i + 1], gaussian_blur(images[i : i + 1], sigma, 4))
