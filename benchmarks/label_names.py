"""Labels of the 1000 outputs of a ResNet-50 against the names of their classes, beside the published figures.

    python -m benchmarks.label_names --data FOLDER [--encoder sentence-transformers:NAME_OR_FOLDER] [--json]

FOLDER holds imagenet_labels.txt, and the result files of Describe-and-Dissect and CLIP-Dissect under peer_results. The
published figures are the mean cosine of label and whole synonym line under all-mpnet-base-v2 (DnD, Table 2;
CLIP-Dissect, Table 1, whose row for Network Dissection is from memory). Another encoder has another scale: with
all-MiniLM-L6-v2, which is smaller, the order is what compares. The published code embeds strings letter by letter where
it is handed strings for lists, as in DnD's Table 9; here each label is one text.

Goal: the order DnD > MILAN holds, and both are above their own constant word and shuffled units.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.common import machine, report, start
from vital.backends import load_text_encoder
from vital.describing.evaluation.class_names import ClassNameMetrics, named, output_labels, read_names
from vital.describing.evaluation.importers import import_labels

FILES = {
    "dnd": "DnD_results/rn50_results/resnet50_imagenet_broden_fc.csv",
    "netdissect": "NetDissect_results/resnet50_imagenet_fc.csv",
    "milan": "MILAN_results/m_base_resnet50_imagenet.csv",
}
PUBLISHED = {"dnd": 0.4586, "netdissect": 0.1975, "milan": 0.2788}
HEADER = ("method", "row", "top-1", "top-5", "MRR", "cosine", "published cosine", "by")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--encoder")
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    start()
    names = read_names(asked.data / "imagenet_labels.txt")
    embed = [None, load_text_encoder(asked.encoder)] if asked.encoder else [None]
    found: list[ClassNameMetrics] = []
    for file in FILES.values():
        (said,) = output_labels(import_labels(asked.data / "peer_results" / file))
        for encoder in embed:
            found += named(said, names, encoder)
    result = {"machine": machine(), "rows": [vars(row) for row in found], "pass": goals(found)}
    report(result, [HEADER, *map(shown, found)], asked.json)
    if not asked.json:
        print("goal holds" if result["pass"] else "goal does not hold")


def goals(rows: list[ClassNameMetrics]) -> bool:
    """Whether the order is the published one, and the labels beat what knows nothing."""
    by = rows[-1].similar
    cosine = {(row.method, row.row): row.cosine for row in rows if row.similar == by}
    floors = [
        cosine[m, ""] > cosine[m, row]
        for m in ("dnd", "milan")
        for row in ("constant word", "shuffled units")
    ]
    return cosine["dnd", ""] > cosine["milan", ""] and all(floors)


def shown(row: ClassNameMetrics) -> tuple[Any, ...]:
    own = f"{PUBLISHED[row.method]:.4f} (mpnet)" if not row.row and row.similar != "trigrams" else ""
    figures = (f"{x:.4f}" for x in (row.top1, row.top5, row.mrr, row.cosine))
    return row.method, row.row or "labels", *figures, own, Path(row.similar).name[-30:]


if __name__ == "__main__":
    main()
