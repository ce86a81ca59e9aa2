"""The options that say where the work is done: in this process, or on a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Option

from vital.cli import completion

if TYPE_CHECKING:
    from vital.atlases.engine import Engine

EngineName = Annotated[
    str,
    Option(
        metavar="ENGINE",
        help="What does the work: local, this process; ray, the devices of a Ray cluster.",
        autocompletion=completion.of("local", "ray"),
    ),
]
Address = Annotated[
    str | None,
    Option(
        metavar="HOST:PORT",
        help="The Ray cluster, or auto for that of this node; without it one of this machine is made for the run.",
    ),
]
Actors = Annotated[
    int | None,
    Option(
        metavar="N",
        min=1,
        help="With --engine ray: processes that share the CPUs of each node; by default one for each GPU, or where "
        "there are none one for two CPUs.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What does the work."""

    engine: EngineName = "local"
    address: Address = None
    actors: Actors = None

    def make(self) -> Engine:
        """The engine. Raises, before any work, what `vital.atlases.engine_of` raises."""
        from vital.atlases.engine import engine_of

        return engine_of(self.engine, address=self.address, actors=self.actors)

    def elsewhere(self) -> Engine | None:
        """The engine; None where this process does it, in one go. Raises what `make` raises."""
        made = self.make()
        return None if self.engine == "local" else made
