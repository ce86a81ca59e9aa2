"""Options that are typed though nothing comes of them are told, in every command that has some."""

from pathlib import Path

import pytest

SHORT = "--method fourier --steps 2 --size 16"
TOLD = {
    "report run --site pages --backend-device cpu": ["--backend-device is ignored: a site takes no encoder"],
    "circuit net.py:make 2:1 --layers class --images pictures --out run --size 16 --steps 3": [
        "--steps is ignored: with --layers class nothing is rendered",
        "--size is ignored: with --layers class nothing is rendered",
    ],
    "explain world:competing pictures/ant/0.png --rule epsilon": [
        "--rule is ignored: it is how relevance is followed; give --by relevance"
    ],
    "lwta train net.py:make --images pictures --epochs 1 --competitors 2 --out trained --samples 3": [
        "--samples is ignored: nothing is measured without --test DIR"
    ],
    "describe net.py:make class:1 --images pictures --encoder world --set n_random_models=0 --out run "
    "--captioner world --calls 3": [
        "--captioner is ignored: clip-dissect takes no captions",
        "--calls is ignored: clip-dissect takes no captions",
    ],
    "concepts net.py:make --layer 2 --sae sae.safetensors --out found.safetensors --seed 3 --batch 4": [
        "--seed is ignored: a file is read, and no image",
        "--batch is ignored: a file is read, and no image",
    ],
}
"""Commands, and what each says of its options."""


@pytest.mark.parametrize("words", TOLD)
def test_an_option_of_which_nothing_comes_is_told(vital, here: Path, pictures: Path, words: str) -> None:
    if words.startswith("report"):
        assert vital(f"render net.py:make class:1 {SHORT} --out run").code < 2
    if "sae" in words:
        import torch
        from safetensors.torch import save_file

        save_file({"W_dec": torch.ones(12, 8), "W_enc": torch.ones(8, 12)}, here / "sae.safetensors")
    done = vital(words)
    assert done.code < 2, done.err
    told = [line.removeprefix("vital: ") for line in done.err.splitlines() if "is ignored" in line]
    assert told == TOLD[words]
