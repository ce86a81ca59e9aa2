"""The engine `ray`: pieces of an atlas on the devices of a Ray cluster, each with a process that has the network.

Results go through the run folder, which all nodes see; what travels is the context, once to each process, and then the
pieces by name. A process or a node that dies is replaced, and what it worked on is done again by another.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vital.atlases.context import Context
from vital.atlases.engine import Outcome
from vital.atlases.plan import Piece
from vital.atlases.ray_cluster import connected, package_ray
from vital.atlases.ray_worker import Worker, packed, surroundings
from vital.errors import DefectError, OutOfMemoryError, RunError
from vital.utils.options import FACTOR, check_whole

AHEAD = 2
"""How many pieces a process has at once: the one that it works on, and the next."""
RETRIES = 3
"""How often a piece is done again whose process died, and how often processes are made anew that die while loading."""
THREADS = 2
"""The CPUs of a process where there are no GPUs."""
LOOK_SECONDS, WAIT_SECONDS = 1.0, 60.0
"""How often new nodes are looked for, and after how long without any process it is said that one waits."""


@dataclass(frozen=True)
class Ray:
    """Do the pieces on the Ray cluster at an address; without one on a cluster of this machine, made for the run.

    Each GPU of the cluster has a process; `actors` is the number of processes that share the CPUs of each node
    instead, by default one for two CPUs where there is no GPU. Raises `MissingDependencyError` without Ray, and
    `RunError` where no Ray answers.
    """

    address: str | None = None
    actors: int | None = None

    def __post_init__(self) -> None:
        if self.actors is not None:
            check_whole("actors", self.actors, 1, FACTOR)
        package_ray()
        if self.address is not None:
            with connected(self.address):
                pass

    def __call__(self, pieces: Iterable[Piece], context: Context) -> Iterator[Outcome]:
        """Do the pieces, the bank first and the others in any order."""
        todo = list(pieces)
        if not todo:
            return
        with connected(self.address) as ray:
            pool = _Pool(ray, context, self.actors, len(todo))
            try:
                for part in ([p for p in todo if p.stage == "bank"], [p for p in todo if p.stage != "bank"]):
                    yield from pool.run(part)
            finally:
                pool.stop()


@dataclass(eq=False)
class _Process:
    """A process of the cluster: whether it has loaded the network, and what it is to do, in this order."""

    actor: Any
    node: str
    loading: Any
    ready: bool = False
    flight: list[tuple[Any, Piece]] = field(default_factory=list)


class _Pool:
    """The processes on all nodes, and the pieces that wait for one of them."""

    def __init__(self, ray: Any, context: Context, actors: int | None, most: int) -> None:
        self.ray, self.actors, self.most = ray, actors, most
        self.gpu = actors is None and ray.cluster_resources().get("GPU", 0) >= 1
        self.packed, self.around = ray.put(packed(context)), surroundings()
        self.processes: list[_Process] = []
        self.queue: deque[tuple[Piece, bool]] = deque()
        self.deaths: Counter[Piece] = Counter()
        self.fallen: Counter[str] = Counter()
        self.refused: dict[str, str] = {}
        self.next_look = 0.0
        self.waiting_since = time.monotonic()

    def run(self, pieces: Sequence[Piece]) -> Iterator[Outcome]:
        """Do pieces; those that another run has at last."""
        self.queue.extend((piece, False) for piece in pieces)
        while self.queue or any(one.flight for one in self.processes):
            self._grow()
            self._feed()
            waited = [ref for one in self.processes for ref in _refs(one)]
            if not waited:
                time.sleep(LOOK_SECONDS)
                continue
            for ref in self.ray.wait(waited, timeout=LOOK_SECONDS)[0]:
                yield from self._take(ref)

    def stop(self) -> None:
        """End all processes; the system lets go of what they hold."""
        for one in self.processes:
            self.ray.kill(one.actor)

    def _grow(self) -> None:
        """Make the processes that nodes lack: new nodes, and those where some died."""
        now = time.monotonic()
        if now < self.next_look:
            return
        self.next_look = now + LOOK_SECONDS
        nodes = {node["NodeID"]: node["Resources"] for node in self.ray.nodes() if node["Alive"]}
        for node, resources in nodes.items():
            count, needs = _share(resources, self.actors, gpu=self.gpu)
            count -= sum(one.node == node for one in self.processes)
            for _ in range(0 if node in self.refused else count):
                if len(self.processes) < self.most:
                    self.processes.append(self._start(node, needs))
        if self.refused and not self.processes and nodes.keys() <= self.refused.keys():
            raise RunError("; ".join(dict.fromkeys(self.refused.values())))
        self._say_that_one_waits(now)

    def _say_that_one_waits(self, now: float) -> None:
        if any(one.ready for one in self.processes):
            self.waiting_since = now
        elif now > self.waiting_since + WAIT_SECONDS:
            kind = "GPU" if self.gpu else "CPU"
            warnings.warn(
                f"no process has begun for {WAIT_SECONDS:.0f} s; waiting for a free {kind} of the cluster, see `ray "
                "status`",
                stacklevel=2,
            )
            self.waiting_since = now

    def _start(self, node: str, needs: Mapping[str, float]) -> _Process:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node, soft=False)
        kind = self.ray.remote(Worker).options(**needs, max_restarts=0, scheduling_strategy=there)
        actor = kind.remote(self.around, max(1, int(needs["num_cpus"])))
        return _Process(actor, node, actor.load.remote(self.packed, gpu=self.gpu))

    def _feed(self) -> None:
        """Hand out pieces, evenly."""
        for held in range(AHEAD):
            for one in self.processes:
                if one.ready and len(one.flight) == held and self.queue:
                    piece, wait = self.queue.popleft()
                    one.flight.append((one.actor.work.remote(piece, wait=wait), piece))

    def _take(self, ref: Any) -> Iterator[Outcome]:
        """Take in what one process has to say."""
        one = next((one for one in self.processes if ref in _refs(one)), None)
        if one is None:  # it died meanwhile
            return
        try:
            answer = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            yield from self._lose(one, error)
            return
        if not one.ready:
            one.ready, one.loading = not answer, None
            self.fallen.pop(one.node, None)
            if answer:
                self._refuse(one.node, answer)
            return
        piece = next(piece for other, piece in one.flight if other == ref)
        one.flight.remove((ref, piece))
        yield from self._ended(piece, *answer)

    def _ended(
        self, piece: Piece, outcome: Outcome | None, error: Exception | None, cause: Exception | None
    ) -> Iterator[Outcome]:
        if error is not None:
            raise error from cause
        if outcome is None:
            raise DefectError(f"{piece.name} ended without an outcome")
        if outcome.busy:
            self.queue.append((piece, True))
        else:
            yield outcome

    def _lose(self, one: _Process, error: Exception) -> Iterator[Outcome]:
        """Take back what a process had that died; the first that it did not end is what it worked on."""
        self.processes.remove(one)
        self.ray.kill(one.actor)
        self.next_look = 0.0
        if not one.ready:
            self.fallen[one.node] += 1
            if self.fallen[one.node] > RETRIES:
                said = str(error).strip().splitlines()
                self._refuse(one.node, f"processes die before they begin: {said[0] if said else error!r}")
            return
        left = []
        for ref, piece in one.flight:
            try:
                answer = self.ray.get(ref)
            except self.ray.exceptions.RayError:
                left.append(piece)
            else:
                yield from self._ended(piece, *answer)
        yield from self._again(left)

    def _again(self, left: Sequence[Piece]) -> Iterator[Outcome]:
        """Queue pieces anew, and give up the first of them where too many processes died of it."""
        if not left:
            return
        self.queue.extendleft((piece, False) for piece in reversed(left[1:]))
        worked = left[0]
        self.deaths[worked] += 1
        if self.deaths[worked] <= RETRIES:
            self.queue.appendleft((worked, False))
            return
        why = (
            f"each of the {self.deaths[worked]} processes that worked on it died, as happens where memory does not "
            "suffice; use fewer --actors, a smaller --batch, or nodes with more memory"
        )
        if worked.stage == "bank":
            raise OutOfMemoryError(f"the bank is not made: {why}")
        yield Outcome(worked, dict.fromkeys(worked.units, why))

    def _refuse(self, node: str, why: str) -> None:
        """Leave a node alone from now on."""
        name = next((n["NodeManagerAddress"] for n in self.ray.nodes() if n["NodeID"] == node), node)
        self.refused[node] = f"the node {name} cannot work: {why}"
        for one in [one for one in self.processes if one.node == node and not one.flight]:
            self.processes.remove(one)
            self.ray.kill(one.actor)


def _refs(one: _Process) -> list[Any]:
    return [one.loading] if one.loading is not None else [ref for ref, _ in one.flight]


def _share(resources: Mapping[str, float], actors: int | None, *, gpu: bool) -> tuple[int, dict[str, float]]:
    """The number of processes on a node, and what each needs.

    >>> _share({"CPU": 16.0, "GPU": 4.0}, None, gpu=True)
    (4, {'num_cpus': 4, 'num_gpus': 1})
    >>> _share({"CPU": 5.0}, None, gpu=False), _share({"CPU": 2.0}, 4, gpu=False), _share({}, 4, gpu=False)
    ((2, {'num_cpus': 2, 'num_gpus': 0}), (4, {'num_cpus': 0.5, 'num_gpus': 0}), (0, {}))
    """
    cpus = int(resources.get("CPU", 0))
    count = int(resources.get("GPU", 0)) if gpu else actors or max(1, cpus // THREADS)
    if not count or not cpus:
        return 0, {}
    most = cpus if gpu or actors else THREADS
    each = min(most, cpus // count) or cpus / count
    return count, {"num_cpus": each, "num_gpus": int(gpu)}
