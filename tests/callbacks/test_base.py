from pathlib import Path

import pytest
import torch
from PIL import Image

import vital
from tests import toy
from vital.callbacks import Callback, End, Step
from vital.callbacks.base import callbacks_of
from vital.errors import ForeignCodeError, InvalidValueError, RunError

FAST = {"method": "fourier", "steps": 3, "progress": False}


class Heard(Callback):
    def __init__(self) -> None:
        self.begun: list[tuple[tuple[str, ...], int]] = []
        self.steps: list[Step] = []
        self.ended: list[End] = []

    def on_begin(self, names, steps) -> None:
        self.begun.append((tuple(names), steps))

    def on_step(self, step: Step) -> None:
        self.steps.append(step)

    def on_end(self, end: End) -> None:
        self.ended.append(end)


def test_a_render_tells_of_each_batch_by_the_names_of_its_pictures() -> None:
    heard, numbers = Heard(), []
    made = vital.render(
        toy.model(),
        ["act2:0", "act2:1"],
        count=2,
        batch=3,
        callback=[heard, lambda step: numbers.append(step.number)],
        **FAST,
    )
    names = ["act2:0", "act2:0 seed 1", "act2:1", "act2:1 seed 1"]
    assert [name for some, _ in heard.begun for name in some] == names
    assert numbers == [1, 2, 3] * 2
    ends = heard.ended
    assert [len(end.names) for end in ends] == [3, 1]
    assert [status for end in ends for status in end.status] == [one.status for one in made]
    images = [image for end in ends for image in end.images]
    assert all(torch.equal(one.image, image) for one, image in zip(made, images, strict=True))


def test_a_step_gives_its_terms_and_images_when_asked() -> None:
    found = []

    def look(step: Step) -> None:
        found.append(({name: loss.tolist() for name, loss in step.terms().items()}, step.images()))

    made = vital.render(toy.model(), ["act2:0", "act2:1"], callback=look, **FAST)
    for step, (terms, _) in enumerate(found):
        for name, losses in terms.items():
            assert losses == [one.losses[name][made[0].provenance["logged"].index(step)] for one in made]
    assert torch.equal(found[-1][1][0], made[0].image)


def test_what_callbacks_look_at_changes_no_picture() -> None:
    one, other = (
        vital.render(toy.model(), "act2:0", callback=callback, **FAST)[0].image
        for callback in (None, lambda step: (step.images(), step.terms()))
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize("kind", [KeyError, RunError, SystemExit])
def test_one_that_fails_is_left_out_and_loses_nothing(kind: type[BaseException]) -> None:
    heard = Heard()

    def broken(step: Step) -> None:
        raise kind(str(step.number))

    said = rf"the callback broken failed: {kind.__name__}: '?1'? .*goes on without it"
    with pytest.warns(UserWarning, match=said):
        made = vital.render(toy.model(), "act2:0", callback=[broken, heard], **FAST)
    assert made[0].status
    assert len(heard.steps) == FAST["steps"]


def test_one_that_fails_in_a_bare_search_is_named() -> None:
    def broken(step: Step) -> None:
        raise KeyError(step.number)

    with pytest.raises(ForeignCodeError, match="the callback failed: KeyError"):
        vital.optimize(
            toy.model(), vital.objectives.Channel("act2:0"), toy.Canvas(), steps=2, callback=broken
        )


@pytest.mark.parametrize(
    ("wrong", "said"), [(3, "callback is 3; allowed are"), (Heard, "class Heard; call it first")]
)
def test_what_is_no_callback_is_refused(wrong: object, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        callbacks_of(wrong)  # type: ignore[arg-type]


def test_a_sheet_of_what_is_rendered_is_shown_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vital.models.identity import identity
    from vital.rendering import make_method, watching
    from vital.rendering.resume import request_for, resume_run
    from vital.rendering.run_folder import entered

    monkeypatch.setattr(watching, "PREVIEW_SECONDS", 0.0)
    model, seen, kept = toy.model(), [], []
    units, method = model.units(["act2:0-2"]), make_method("fourier", steps=3)

    def look(step: Step) -> None:
        if step.number == step.of - 1:
            with Image.open(tmp_path / "preview.png") as sheet:
                seen.append(sheet.size)
            kept.append(sum(run.complete([unit]) for unit in units))

    request = request_for(model, units, method, batch=2)
    with entered(tmp_path, identity(model, None), request) as run:
        resume_run(run, model, units, method, lambda: None, callback=look)
        assert run.complete(units)
    assert len(seen) == 2
    assert kept == [0, 2]  # the first batch is written before the second begins
    assert not (tmp_path / "preview.png").exists()
