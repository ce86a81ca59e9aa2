import pickle
from pathlib import Path

import pytest
from filelock import FileLock

import vital
from tests import toy
from vital.atlases import ENGINES, Context, attempt, prepare
from vital.atlases.api import carry_out
from vital.atlases.engine import local
from vital.atlases.stages import is_done


@pytest.fixture
def context(tmp_path: Path) -> Context:
    images = vital.load_images(toy.images(6).float().numpy())
    options = {"methods": "fourier", "steps": 2, "batch": 1, "count": 2}
    return prepare(toy.model(), "act1:0-2", images, tmp_path / "site", **options)


def test_a_context_is_pickled_without_what_it_has_made(context: Context) -> None:
    context.claim()
    assert context.bank.layers == ("act1", "class")
    again = pickle.loads(pickle.dumps(context))  # noqa: S301
    assert "bank" not in vars(again)
    assert again.pieces == context.pieces
    assert not attempt(again.pieces[1], again).failed
    assert is_done(context.pieces[1], context)


def test_a_piece_that_another_has_comes_last_and_is_waited_for(context: Context) -> None:
    context.claim()
    held = context.pieces[2]
    lock = FileLock(context.run / ".locks" / f"{held.name}.lock", is_singleton=True)
    lock.lock_file  # noqa: B018
    from multiprocessing import get_context

    ended = []
    with get_context("spawn").Pool(1) as pool:
        other = pool.apply_async(hold, (lock.lock_file,))
        while not Path(lock.lock_file + ".held").exists():
            assert not other.ready()
        for outcome in local(context.pieces, context):
            ended.append(outcome.piece.name)
            if len(ended) == len(context.pieces) - 1:
                Path(lock.lock_file + ".let-go").touch()
    assert ended[-1] == held.name
    assert set(ended) == {piece.name for piece in context.pieces}
    assert is_done(held, context)


def hold(file: str) -> None:
    """Hold a lock until the others are done, or for half a minute."""
    import time

    with FileLock(file):
        Path(file + ".held").touch()
        end = time.monotonic() + 30
        while not Path(file + ".let-go").exists() and time.monotonic() < end:
            time.sleep(0.05)


def test_another_engine_does_the_same_pieces(context: Context) -> None:
    def backwards(pieces, context):  # type: ignore[no-untyped-def]
        for piece in reversed(list(pieces)):
            copy = pickle.loads(pickle.dumps((piece, context)))  # noqa: S301
            yield attempt(*copy)

    ENGINES.register("backwards")(backwards)
    try:
        made = carry_out(context, engine="backwards", progress=False)
    finally:
        del ENGINES.entries["backwards"]
    assert made.finished


def test_what_nobody_explained_fails_its_piece_and_the_log_has_the_traceback(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("vital.atlases.stages.render_group", broken)
    made = carry_out(context, progress=False)
    assert len(made.failed) == 3
    assert all("ZeroDivisionError: by zero" in why for why in made.failed.values())
    assert "Traceback" in (made.run / "log.jsonl").read_text()
    assert made.done == 4
