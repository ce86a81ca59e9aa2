"""Language models behind an endpoint that speaks OpenAI's chat completions.

The key is read from the environment for each call, goes into the request's header, and nowhere else: what a server
says back is searched for it before it is kept or shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vital.backends._loading import Device, Dtype, package, quietly
from vital.backends.prompts import Chat
from vital.backends.response_cache import ResponseCache
from vital.errors import InvalidValueError, ModelError
from vital.utils.hashing import key_of

OPENAI = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"
LONGEST_PAUSE = 60.0
CALLS = 1000
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
Body = dict[str, Any]


class _RetryError(Exception):
    """An answer that another try may mend, and the seconds that the server asks to wait."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        Exception.__init__(self, why)
        self.wait = wait


@dataclass
class Endpoint(Chat):
    """A summarizer behind a chat-completions endpoint, whose every answer is kept on disk and asked for once.

    `parameters` go into the request as they are; an answer is kept by model, messages and parameters in `cache`.
    `timeout` is in seconds; after a time-out, a lost connection, a broken answer or a status such as 429 or 500 it is
    asked again, `retries` times, after `pause`, 2 · `pause`, 4 · `pause` … seconds, or as many as the server says.
    The `calls` of `cache` are requests, tries included. Raises `ModelError` where there is no answer.
    """

    model: str
    url: str = OPENAI
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0.3, "seed": 0})
    timeout: float = 60.0
    retries: int = 4
    pause: float = 1.0
    key_from: str = KEY
    cache: ResponseCache = field(default_factory=lambda: ResponseCache(calls=CALLS))

    @property
    def name(self) -> str:
        """The model and where it is."""
        return f"openai:{self.model}@{self.url}"

    def answer(self, messages: list[dict[str, str]]) -> str:
        """Give the model's answer to a chat: the one that is kept, or a new one."""
        body = {**self.parameters, "model": self.model, "messages": messages}
        key = key_of(body)
        if key not in (kept := self.cache.kept("chat")):
            self.cache.keep("chat", [(key, {"request": body, "answer": self._tried(body)})])
        return str(kept[key]["answer"])

    def _tried(self, body: Body) -> str:
        failed = ""
        for again in range(self.retries + 1):
            self.cache.afford(self.name, failed=failed)
            try:
                return self._asked(body)
            except _RetryError as error:
                failed = str(error)
                if again < self.retries:
                    time.sleep(min(error.wait or self.pause * 2**again, LONGEST_PAUSE))
        tries = "once" if self.retries == 0 else f"{self.retries + 1} times"
        raise ModelError(f"{self.name} was asked {tries} and gave no answer: {failed}")

    def _asked(self, body: Body) -> str:
        """Send one request.

        Errors have no cause attached, since a request in a traceback would show its headers, and nothing is logged,
        since a server may say the key back in a header of its own.
        """
        httpx = _httpx()
        key = self._key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        failed = ""
        try:
            with quietly():
                response = httpx.post(
                    f"{self.url}/chat/completions", json=body, headers=headers, timeout=self.timeout
                )
        except httpx.TimeoutException:
            failed = f"no answer within {self.timeout:g} seconds"
        except httpx.TransportError as error:
            failed = f"no connection ({_without(key, str(error)) or type(error).__name__})"
        if failed:
            raise _RetryError(failed)
        self._check(response, key)
        return _without(key, _content(response))

    def _check(self, response: Any, key: str) -> None:
        status = int(response.status_code)
        if status == 200:
            return
        said = f"status {status} ({_without(key, _said(response))})"
        if status in _AGAIN:
            raise _RetryError(said, _wait(response))
        advice = f"; the key is read from ${self.key_from}" if status in (401, 403) else ""
        raise ModelError(f"{self.name} refused the request: {said}{advice}")

    def _key(self) -> str:
        key = os.environ.get(self.key_from, "").strip()
        if not key.isascii() or not key.isprintable():
            raise InvalidValueError(
                f"the key in ${self.key_from} has characters that no key has; allowed is printable ASCII"
            )
        return key


def _httpx() -> Any:
    return package("httpx", "httpx", "llm", "summarizers named openai:MODEL")


def _without(key: str, text: str) -> str:
    return text.replace(key, "[key]") if key else text


def _said(response: Any) -> str:
    """What a server says of its refusal, in one line."""
    try:
        found = response.json()["error"]
        text = str(found["message"] if isinstance(found, dict) else found)
    except (ValueError, LookupError, TypeError):
        text = response.text or response.reason_phrase
    return " ".join(text.split())[:200]


def _content(response: Any) -> str:
    try:
        found = response.json()["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        found = None
    if not isinstance(found, str) or not found.strip():
        raise _RetryError("the answer holds no text")
    return found


def _wait(response: Any) -> float:
    try:
        return max(0.0, float(response.headers.get("retry-after", "0")))
    except ValueError:
        return 0.0


def from_endpoint(
    name: str,
    *,
    device: Device = None,
    dtype: Dtype = None,
    parameters: Mapping[str, Any] | None = None,
    timeout: float = 60.0,
    retries: int = 4,
    pause: float = 1.0,
    calls: int = CALLS,
    replay: bool = False,
    key_from: str = KEY,
    folder: str | Path | None = None,
) -> Endpoint:
    """Make a summarizer of `MODEL[@URL]`; the URL is that of the API, which `/chat/completions` is added to.

    Nothing is asked yet. Raises `InvalidValueError` for a URL or an option that cannot be, and
    `MissingDependencyError`.
    """
    del device, dtype
    model, _, url = name.partition("@http")
    url = f"http{url}".rstrip("/") if url else OPENAI
    _check_url(model, url)
    _check_least(0, retries=retries, pause=pause, calls=calls)
    _check_least(0.001, timeout=timeout)
    if not replay:
        _httpx()
    given: Any = {} if parameters is None else {"parameters": parameters}
    kept: Any = {"folder": Path(folder)} if folder else {}
    cache = ResponseCache(calls=calls, replay=replay, **kept)
    own: Any = {"timeout": timeout, "retries": retries, "pause": pause, "key_from": key_from}
    return Endpoint(model, url, **own, **given, cache=cache)


def _check_least(least: float, **options: float) -> None:
    for option, value in options.items():
        if not value >= least:
            raise InvalidValueError(f"{option} is {value}; allowed are numbers from {least:g}")


def _check_url(model: str, url: str) -> None:
    """Refuse a URL that cannot be one of an API, without showing it: it may hold a key."""
    parts = urlsplit(url)
    if not model or parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidValueError(
            "write openai:MODEL or openai:MODEL@URL, where the URL starts with http:// or https://"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidValueError(
            f"the URL of {parts.hostname} carries a user, a password or a query; write the bare URL of the API, "
            f"and put the key into ${KEY}"
        )
