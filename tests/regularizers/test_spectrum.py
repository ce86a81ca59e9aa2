from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests import toy
from vital.errors import InvalidValueError
from vital.regularizers import Spectrum
from vital.regularizers.spectrum import log_frequency
from vital.tracing import Trace

IMAGE = toy.images(2)


def trace(image: Tensor = IMAGE) -> Trace:
    return toy.trace(toy.model(double=True), [], image)


def falling(decay: float, contrast: float = 1.0) -> Tensor:
    """An image whose magnitudes fall exactly as |k|^−decay, with the phases of noise."""
    wave = torch.fft.rfft2(toy.images(1), norm="ortho")
    magnitude = contrast * (-decay * log_frequency(IMAGE)).exp()
    return torch.fft.irfft2(wave / wave.abs() * magnitude, s=(32, 32), norm="ortho")


@pytest.mark.parametrize("decay", [0.5, 1.0, 1.6])
def test_an_image_that_falls_as_wanted_has_no_loss_at_any_contrast(decay: float) -> None:
    for contrast in (1.0, 30.0):
        assert Spectrum(decay)(trace(falling(decay, contrast))).item() < 1e-6
        assert Spectrum(decay + 0.5)(trace(falling(decay, contrast))).item() > 0.05


def test_without_a_target_it_is_the_variance_of_the_straightened_spectrum() -> None:
    log = torch.fft.rfft2(IMAGE, norm="ortho").abs().log() + 1.2 * log_frequency(IMAGE)
    expected = torch.stack([image.flatten(1)[:, 1:].var(1, correction=0).mean() for image in log])
    torch.testing.assert_close(Spectrum(1.2)(trace()), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("size", [(20, 9), (7, 12), (32, 32)])
def test_frequencies_are_those_of_an_image_of_any_shape(size: tuple[int, int]) -> None:
    height, width = size
    down, right = np.fft.fftfreq(height), np.fft.rfftfreq(width)
    lengths = np.hypot(down[:, None], right[None])
    lengths[0, 0] = 1
    image = IMAGE[..., :height, :width]
    np.testing.assert_allclose(log_frequency(image).numpy(), np.log(lengths), atol=1e-12)
    log = np.log(np.abs(np.fft.rfft2(image.numpy(), norm="ortho"))) + 1.2 * np.log(lengths)
    expected = log.reshape(2, 3, -1)[..., 1:].var(2).mean(1)
    np.testing.assert_allclose(Spectrum(1.2)(trace(image)).numpy(), expected, rtol=1e-4)


def test_an_image_matches_its_own_spectrum_and_no_other() -> None:
    target = torch.fft.rfft2(IMAGE[0], norm="ortho").abs()
    loss = Spectrum(target=target)(trace())
    assert loss[0] < 1e-12
    expected = (torch.fft.rfft2(IMAGE[1], norm="ortho").abs().log() - target.log()).square().mean()
    torch.testing.assert_close(loss[1], expected, rtol=1e-3, atol=0)


def test_terms_with_other_targets_differ_and_say_so() -> None:
    one, other, again = (Spectrum(target=torch.full((3, 32, 17), value)) for value in (1.0, 2.0, 1.0))
    assert one == again
    assert repr(one) == repr(again)
    assert len({one, other, again, Spectrum()}) == 3
    assert len({repr(one), repr(other), repr(Spectrum())}) == 3


def test_a_spectrum_of_another_size_is_an_error() -> None:
    with pytest.raises(InvalidValueError, match=r"\(3, 16, 9\); an image of 32 x 32 needs \(3, 32, 17\)"):
        Spectrum(target=torch.ones(3, 16, 9))(trace())
