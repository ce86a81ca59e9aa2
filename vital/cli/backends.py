"""Options of what reads and writes words and pictures: which backends, where they compute, and how they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from vital.cli import completion
from vital.cli.common import names_of, say_ignored
from vital.cli.options import CaptionerName, EncoderName, GeneratorName, SummarizerName
from vital.errors import UsageError

if TYPE_CHECKING:
    from vital.backends.response_cache import ResponseCache
    from vital.models import Model

Where = Annotated[
    str | None,
    Option(
        metavar="DEVICE",
        help="Where backends compute: cpu, cuda, cuda:1, mps; by default where the network does.",
        autocompletion=completion.of("cpu", "cuda", "mps"),
    ),
]
Precision = Annotated[
    str | None,
    Option(
        metavar="DTYPE",
        help="In what backends compute: float32, float16 or bfloat16.",
        autocompletion=completion.of("float32", "float16", "bfloat16"),
    ),
]
Together = Annotated[
    int | None,
    Option(min=1, metavar="N", help="The most images or texts that a backend takes at once."),
]
Temperature = Annotated[
    float | None,
    Option(
        min=0, metavar="T", help="How freely a language model behind an endpoint answers; by default 0.3."
    ),
]
MaxTokens = Annotated[
    int | None,
    Option(min=1, metavar="N", help="The most tokens of an answer of a language model."),
]
Timeout = Annotated[
    float | None,
    Option(metavar="SECONDS", help="How long an endpoint may take for an answer; by default 60."),
]
Calls = Annotated[
    int | None,
    Option(min=0, metavar="N", help="The budget: the most new answers; what is kept costs nothing."),
]
Replay = Annotated[bool, Option("--replay", help="Take kept answers alone, and ask nobody.")]
Fresh = Annotated[bool, Option("--fresh", help="Pass over kept answers, and keep the new ones.")]
KeyFrom = Annotated[
    str | None,
    Option(
        metavar="ENVNAME|FILE",
        help="What holds the key for the endpoint; OpenAI's own reads $OPENAI_API_KEY.",
    ),
]
AllowHttp = Annotated[
    str | None, Option(metavar="HOST", help="The host that a key may go to over plain http.")
]
Revision = Annotated[
    str | None,
    Option(metavar="TEXT", help="Which model an endpoint serves under its name, to keep answers apart."),
]


@dataclass(frozen=True, kw_only=True)
class PlacementOptions:
    """Where and how backends compute."""

    backend_device: Where = None
    backend_dtype: Precision = None
    backend_batch: Together = None

    def given(self) -> dict[str, Any]:
        """The options that are given, by the names that backends have for them."""
        named = {"device": self.backend_device, "dtype": self.backend_dtype, "batch": self.backend_batch}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """How a language model is asked, and what is done with kept answers."""

    temperature: Temperature = None
    max_tokens: MaxTokens = None
    timeout: Timeout = None
    calls: Calls = None
    replay: Replay = False
    fresh: Fresh = False
    key_from: KeyFrom = None
    allow_http: AllowHttp = None
    revision: Revision = None

    def cache(self) -> ResponseCache:
        """The kept answers, with their budget. Raises `UsageError` for --replay with --fresh."""
        from vital.backends.response_cache import ResponseCache

        if self.replay and self.fresh:
            raise UsageError(
                "--replay takes kept answers alone, and --fresh none of them; give one of the two"
            )
        return ResponseCache(calls=self.calls, replay=self.replay, fresh=self.fresh)

    def given(self) -> dict[str, Any]:
        """The options of a summarizer that are given."""
        aside = ("calls", "replay", "fresh")
        found = {
            option.name: getattr(self, option.name) for option in fields(self) if option.name not in aside
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class BackendOptions:
    """What reads and writes words and pictures."""

    encoder: EncoderName = None
    captioner: CaptionerName = None
    summarizer: SummarizerName = None
    generator: GeneratorName = None


def say_unplaced(encoder: str | None, *names: str) -> None:
    """Say which options of an encoder were typed, these among them, though none is named."""
    if encoder is None:
        why = "no encoder is named; give --encoder ENCODER"
        say_ignored(why, *names, *names_of(PlacementOptions))


def load_named(
    specs: Mapping[str, str | None],
    model: Model | None,
    placement: PlacementOptions,
    answers: AnswerOptions | None = None,
    cache: ResponseCache | None = None,
) -> dict[str, Any]:
    """Load the backends that are named, each with those options that it has, on the network's device where one is.

    In a replay those with kept answers are not loaded. Raises `UsageError` for an option that none of them has.
    """
    from vital import backends
    from vital.backends.load import options_among

    asked = answers.given() if answers else {}
    unused = set(asked) | ({"batch"} & set(placement.given()))
    found: dict[str, Any] = {}
    for kind, spec in specs.items():
        if spec is None:
            continue
        own_place = {} if model is None else {"device": model.device}
        wanted = {**own_place, **placement.given(), **(asked if kind == "summarizer" else {})}
        if "max_tokens" in wanted:
            wanted["length"] = wanted["max_tokens"]  # as models on this machine call it
        own = options_among(kind, spec, wanted)
        unused -= {"max_tokens" if option == "length" else option for option in own}
        if cache is not None and cache.replay and cache.knows(kind, spec):
            found[kind] = getattr(cache, kind)(spec)
            continue
        shared = options_among(kind, spec, {"cache": cache})
        made = getattr(backends, f"load_{kind}")(spec, **own, **shared)
        wrapped = cache is not None and "encoder" not in kind and spec != "built-in"
        found[kind] = getattr(cache, kind)(made) if wrapped else made
    for option in sorted(unused):
        flag = "--backend-batch" if option == "batch" else f"--{option.replace('_', '-')}"
        raise UsageError(f"{flag} is an option of no backend that is named")
    return found
