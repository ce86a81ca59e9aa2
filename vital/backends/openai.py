"""Language models behind an endpoint that speaks OpenAI's chat completions.

The key is read for each call, goes into the request's header, and nowhere else: what a server says back is searched
for it before it is kept or shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vital.backends._loading import Device, Dtype, package
from vital.backends.answers import holds_answer
from vital.backends.chat_response import RetryError, Sent, answer_of, no_schema, refused
from vital.backends.endpoint_address import (
    OPENAI,
    check_key,
    host_of,
    is_this_machine,
    read_key,
    read_spec,
    source_of,
)
from vital.backends.http_client import fetch
from vital.backends.prompts import Chat, Schema
from vital.backends.response_cache import ResponseCache
from vital.errors import InvalidValueError, ModelError
from vital.utils.hashing import key_of

LONGEST_PAUSE = 60.0
CALLS = 1000
Body = dict[str, Any]


@dataclass
class Endpoint(Chat):
    """A summarizer behind a chat-completions endpoint, whose every answer is kept on disk and asked for once.

    `parameters` go into the request as they are; an answer is kept by URL, model, `revision`, messages and
    parameters in `cache`, unless it is none (a refusal, an empty text). `revision` tells a model from one that
    had its name before. With `json_schema` the server is asked to hold the model to a form; one that cannot is
    asked without. `timeout` is in seconds, for a whole answer; after a time-out, a lost connection, a broken
    answer or a status such as 429 or 500 it is asked again, `retries` times, after `pause`, 2 · `pause`, 4 ·
    `pause` … seconds, or as many as the server says. The `calls` of `cache` are requests, tries included.
    `key_from` names the environment variable or the file that holds the key for this URL; without it only
    OpenAI's own gets one, that of `$OPENAI_API_KEY`. `allow_http` names the host that a key may go to over plain
    http. Raises `NoAnswerError` where the model or a filter keeps its answer back, and `ModelError` for any other
    failure.
    """

    model: str
    url: str = OPENAI
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0.3, "seed": 0})
    timeout: float = 60.0
    retries: int = 4
    pause: float = 1.0
    key_from: str | None = None
    allow_http: str | None = None
    revision: str = ""
    json_schema: bool = True
    cache: ResponseCache = field(default_factory=lambda: ResponseCache(calls=CALLS))
    _plain: bool = field(default=False, init=False, repr=False)

    @property
    def name(self) -> str:
        """The model and where it is."""
        return f"openai:{self.model}@{self.url}"

    def answer(self, messages: list[dict[str, str]], schema: Schema | None = None) -> str:
        """Give the model's answer to a chat: the one that is kept, or a new one."""
        body = {**self.parameters, "model": self.model, "messages": messages}
        if schema is not None and self.json_schema:
            form = {"name": "answer", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        key = key_of(self.url, self.revision, body)
        kept = self.cache.kept("chat")
        if key in kept:
            return str(kept[key]["answer"])
        if self.cache.no_answer(key):
            return ""
        said = self._tried(body)
        if not holds_answer(said):
            self.cache.note_unanswered([key])
            return said
        asked = {"url": self.url, "revision": self.revision, "request": body, "answer": said}
        self.cache.keep("chat", [(key, asked)])
        return said

    def _tried(self, body: Body) -> str:
        tenacity = _tenacity()
        failed = ""

        def pause(state: Any) -> float:
            asked = getattr(state.outcome.exception(), "wait", 0.0)
            return float(min(asked or self.pause * 2.0 ** (state.attempt_number - 1), LONGEST_PAUSE))

        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(RetryError),
            stop=tenacity.stop_after_attempt(self.retries + 1),
            wait=pause,
            reraise=True,
        )
        try:
            for attempt in tries:
                with attempt:
                    self.cache.afford(self.name, failed=failed)
                    try:
                        return self._asked(body)
                    except RetryError as error:
                        failed = str(error)
                        raise
        except RetryError as error:
            failed = str(error)
        times = "once" if self.retries == 0 else f"{self.retries + 1} times"
        raise ModelError(f"{self.name} was asked {times} and gave no answer: {failed}")

    def _asked(self, body: Body) -> str:
        """Send one request, and once more without a form where the server says that it knows none."""
        if self._plain:
            body = {name: value for name, value in body.items() if name != "response_format"}
        sent = self._sent(body)
        if "response_format" in body and no_schema(sent):
            self.cache.afford(self.name, failed="the server takes no JSON schema")
            self._plain = True
            return self._asked(body)
        if sent.status != 200:
            advice = f"; {self._advice()}" if sent.status in (401, 403) else ""
            raise refused(sent, self.name, self.url, advice)
        return answer_of(sent, self.name, self.url)

    def _sent(self, body: Body) -> Sent:
        """Ask the server, and take the key out of what it says.

        Errors have no cause attached, since a request in a traceback would show its headers.
        """
        key = read_key(self.url, self.key_from)
        check_key(self.url, self.key_from, self.allow_http)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        direct = is_this_machine(host_of(self.url))
        status, said, content = fetch(
            f"{self.url}/chat/completions", body, headers, self.timeout, direct=direct
        )
        if key:
            content = content.replace(key, "[key]")
        return Sent(status, content, said.get("retry-after", ""), html="html" in said.get("content-type", ""))

    def _advice(self) -> str:
        source = source_of(self.url, self.key_from)
        if source is None:
            return "no key was sent; key_from (--key-from) names the variable or the file that holds one for this URL"
        return f"the key is read from {source if '/' in source or '.' in source else '$' + source}"


def _tenacity() -> Any:
    return package("tenacity", "tenacity", "llm", "summarizers named openai:MODEL")


def from_endpoint(
    name: str,
    *,
    device: Device = None,
    dtype: Dtype = None,
    parameters: Mapping[str, Any] | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    timeout: float = 60.0,
    retries: int = 4,
    pause: float = 1.0,
    calls: int = CALLS,
    replay: bool = False,
    fresh: bool = False,
    key_from: str | None = None,
    allow_http: str | None = None,
    revision: str = "",
    json_schema: bool = True,
    folder: str | Path | None = None,
    cache: ResponseCache | None = None,
) -> Endpoint:
    """Make a summarizer of `MODEL[@URL]`; the URL is that of the API, which `/chat/completions` is added to.

    Nothing is asked yet. `temperature` and `max_tokens` are parameters with names of their own. `cache` takes the place
    of `folder`, `calls`, `replay` and `fresh`. Raises `InvalidValueError` for a URL or an option that cannot be, and
    `MissingDependencyError`.
    """
    del device, dtype
    model, url = read_spec(name)
    check_key(url, key_from, allow_http)
    _check_least(0, retries=retries, pause=pause, calls=calls)
    _check_least(0.001, timeout=timeout)
    if temperature is not None:
        _check_least(0, temperature=temperature)
    if max_tokens is not None:
        _check_least(1, max_tokens=max_tokens)
    if not replay and not (cache and cache.replay):
        package("httpx", "httpx", "llm", "summarizers named openai:MODEL")
        _tenacity()
    kept: Any = {"folder": Path(folder)} if folder else {}
    cache = cache or ResponseCache(calls=calls, replay=replay, fresh=fresh, **kept)
    own: Any = {
        "timeout": timeout,
        "retries": retries,
        "pause": pause,
        "key_from": key_from,
        "allow_http": allow_http,
    }
    made = Endpoint(model, url, **own, revision=revision, json_schema=json_schema, cache=cache)
    named = {"temperature": temperature, "max_tokens": max_tokens}
    given = made.parameters if parameters is None else parameters
    made.parameters = {**given, **{key: value for key, value in named.items() if value is not None}}
    return made


def _check_least(least: float, **options: float) -> None:
    for option, value in options.items():
        if not value >= least:
            raise InvalidValueError(f"{option} is {value}; allowed are numbers from {least:g}")
