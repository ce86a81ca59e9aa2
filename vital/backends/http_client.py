"""One request, ended by the clock and bounded in size.

A server that drips bytes would never meet the time-out of a single read, and one that sends without an end would fill
the memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vital.backends._loading import package, quietly
from vital.backends.chat_response import RetryError
from vital.errors import ModelError

LARGEST = 4_000_000
"""The most bytes of an answer."""

Fetched = tuple[int, dict[str, str], str]


def fetch(
    url: str, body: Mapping[str, Any], headers: Mapping[str, str], timeout: float, *, direct: bool = False
) -> Fetched:
    """Post JSON: the status, the headers and the text of the answer.

    `timeout` is in seconds for all of it; `direct` goes past proxies. Nothing is logged, since a server may say a key
    back in a header of its own. Raises `RetryError` for what another try may mend, `ModelError` for an answer without
    an end.
    """
    httpx = package("httpx", "httpx", "llm", "summarizers named openai:MODEL")
    failed = ""
    try:
        with quietly():
            return _run(_posted(httpx, url, body, headers, timeout, direct))
    except (TimeoutError, httpx.TimeoutException):
        failed = f"no answer within {timeout:g} seconds"
    except (httpx.TransportError, httpx.DecodingError) as error:
        said = str(error)
        for value in headers.values():
            said = said.replace(value.removeprefix("Bearer "), "[key]")
        failed = f"no connection ({said or type(error).__name__})"
    raise RetryError(failed)


def _run(work: Coroutine[Any, Any, Fetched]) -> Fetched:
    """Run it here, or beside an event loop that runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(asyncio.run, work).result()


async def _posted(
    httpx: Any, url: str, body: Mapping[str, Any], headers: Mapping[str, str], seconds: float, direct: bool
) -> Fetched:
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(timeout=seconds, trust_env=not direct) as client,
        client.stream("POST", url, json=body, headers={**headers, "Accept-Encoding": "identity"}) as response,
    ):
        content = bytearray()
        async for part in response.aiter_bytes(65536):
            content += part
            if len(content) > LARGEST:
                raise ModelError(
                    f"{url} sent more than {LARGEST // 1_000_000} MB for an answer, and was given up"
                )
        return int(response.status_code), dict(response.headers), content.decode("utf-8", "replace")
