"""Every method on the same classes, as one contact sheet: real drawings on top, then a row per method.

python examples/shapes.py && python examples/compare_methods.py [FOLDER [STEPS]]

With STEPS, every method gets that many; without, each has its own number (minutes on a small machine).
"""

import sys
import time
from pathlib import Path

import vital
from vital.utils.drawing import contact_sheet, to_pil

METHODS = ("vital", "vital-reference", "fourier", "maco", "deep-inversion", "pixels")

if __name__ == "__main__":
    folder = Path(sys.argv[1] if sys.argv[1:] else "runs/shapes")
    options = {"steps": int(sys.argv[2])} if sys.argv[2:] else {}
    model = vital.load_model("examples/shapes.py:network", weights=folder / "weights.safetensors")
    bank = vital.build_bank(model, ["class"], vital.load_images(folder / "images.npz"))
    shown = [to_pil(bank.tensor(bank.strongest(f"class:{index}", 1))[0]) for index in range(6)]
    for method in METHODS:
        start = time.perf_counter()
        made = vital.render(model, "class:0-5", method=method, bank=bank, batch=6, **options)
        taken = time.perf_counter() - start
        print(f"{method:16s} {taken:6.1f} s   final losses {[round(p.losses['total'][-1], 3) for p in made]}")
        shown += [prototype.to_pil() for prototype in made]
    contact_sheet(shown, columns=6, size=128).save(folder / "compare_methods.png")
    print(f"wrote {folder}/compare_methods.png, rows: real drawings, {', '.join(METHODS)}")
