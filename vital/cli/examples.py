"""Examples of every command, with which its help ends.

Those of the built-in network (`world`) run as they stand, in this order, in a folder with a picture photo.png.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

RESNET = "torchvision:resnet50"
CLIP = "--encoder open_clip:ViT-B-32/laion2b_s34b_b79k"
SENTENCES = "--encoder sentence-transformers:sentence-transformers/all-mpnet-base-v2"
WIDTH = 72
"""The width at which an example goes on in another line."""

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "demo": ("vital demo", "vital demo --out demo --device cuda"),
    "layers": ("vital layers world", f"vital layers {RESNET}"),
    "bank": (
        "vital bank world --layers layer3,layer4 --images world --out world.safetensors",
        f"vital bank {RESNET} --layers layer3,layer4 --images photos --out photos.safetensors --device cuda",
    ),
    "merge": (f"vital merge {RESNET} january.safetensors february.safetensors --out both.safetensors",),
    "concepts": (
        "vital concepts world --layer layer3 --images world --count 8 --out nmf.safetensors",
        f"vital concepts {RESNET} --layer layer4 --sae sae.pt --out sae.safetensors",
    ),
    "render": (
        "vital render world class:0 layer4:52 --bank world.safetensors --out runs/first",
        f"vital render {RESNET} class:tabby layer4:162 --images photos --out runs/resnet",
    ),
    "exemplars": (
        "vital exemplars world class:0 layer4:52 --bank world.safetensors --out runs/first",
        f"vital exemplars {RESNET} layer4:162 --images photos --by relevance --for class:tabby --out runs/resnet",
    ),
    "circuit": (
        "vital circuit world class:0 --layers layer4 --count 2 --bank world.safetensors --out runs/circuit",
        f"vital circuit {RESNET} class:tabby --layers layer4,layer3 --images photos --out runs/circuit",
    ),
    "describe": (
        "vital describe world planted:0-3 --images world --methods clip-dissect,linear --out runs/words",
        f"vital describe {RESNET} layer4:0-63 --images photos {CLIP} --concepts words.txt --out runs/resnet",
    ),
    "dissect": (
        "vital dissect world --layers planted --images world --out runs/dissected",
        f"vital dissect {RESNET} --layers layer4 --images photos {CLIP} --concepts words.txt --out runs/resnet",
    ),
    "explain": (
        "vital explain world:competing photo.png --out runs/explained",
        "vital explain lwta:4/torchvision:resnet18 photo.png --weights runs/lwta/weights.safetensors",
    ),
    "score": (
        "vital score runs/words/labels.csv --model world --images world --encoder world",
        f"vital score theirs.csv --format netdissect --model {RESNET} --images photos {CLIP}",
    ),
    "agree": (
        "vital agree runs/words/labels.csv --encoder world",
        f"vital agree ours.csv theirs.csv {SENTENCES}",
    ),
    "classes": (
        "vital classes 'striped torus' --encoder world --model world",
        f"vital classes 'a grey cat' --model {RESNET} {SENTENCES}",
    ),
    "compare": (
        "vital compare world class:0 --methods vital,fourier --images world --seeds 1 --out runs/compared",
        f"vital compare {RESNET} class:tabby class:tench --images photos --seeds 1 --out runs/compared",
    ),
    "report": ("vital report runs/first", "vital report runs/first runs/words --site site"),
    "figure": (
        "vital figure runs/first --columns 1 --out units.pdf",
        "vital figure runs/resnet runs/compared --kind compare --out methods.svg",
    ),
    "serve": ("vital serve site", "vital serve runs/demo --port 9000"),
    "atlas": (
        "vital atlas world --layers planted --images world --per-layer 2 --out runs/atlas",
        f"vital atlas {RESNET} --layers layer3,layer4 --images photos --out runs/atlas --device cuda --estimate",
    ),
    "methods": ("vital methods", "vital methods clip-dissect"),
    "doctor": ("vital doctor",),
    "lwta train": (
        "vital lwta train world --images world --epochs 1 --out runs/lwta",
        "vital lwta train torchvision:resnet18 --images photos/train --test photos/test --out runs/lwta",
    ),
}


def epilog(name: str) -> str:
    """What the help of a command ends with: its examples, each as it is typed.

    >>> epilog("doctor").splitlines()[-1]
    '  vital doctor'
    """
    return "Examples:\n\n\b\n" + "\n".join(map(_wrapped, EXAMPLES[name]))


def _wrapped(line: str) -> str:
    parts = textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return textwrap.indent(" \\\n".join(parts), "  ")
