"""Which endpoint a text names, and which key goes to it.

Nothing is guessed: a text that cannot be read is refused, since a default would send captions to somebody else.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from vital.errors import DataError, InvalidValueError, RunError
from vital.utils.io import read_text

OPENAI = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"
WRITE = "write openai:MODEL or openai:MODEL@URL, where the URL starts with http:// or https://"

_URL = re.compile(r"@(?=[A-Za-z][A-Za-z0-9+.-]*:/)")
_HOST = re.compile(r"^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$")
_BRACKETS = re.compile(r"^\[[^\]]*\](:\d+)?$")
_PLACE = re.compile(r"^(localhost|[\w.-]+:\d+|\d+(\.\d+){3}|\[.*|.*://.*)$", re.IGNORECASE)
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def read_spec(name: str) -> tuple[str, str]:
    """Read `MODEL[@URL]`: the model, and the URL of the API without a slash at its end.

    Raises `InvalidValueError` for what is not exactly that; its message never shows the URL, which may hold a key.

    >>> read_spec("llama3:8b@HTTP://LocalHost:11434/v1/")
    ('llama3:8b', 'http://localhost:11434/v1')
    """
    if not name.isprintable() or re.search(r"\s", name):
        raise InvalidValueError(f"an endpoint is named with spaces or control characters; {WRITE}")
    if not (found := _URL.search(name)):
        return _of_openai(name), OPENAI
    model, url = name[: found.start()], name[found.end() :]
    if not model:
        raise InvalidValueError(f"an endpoint is named without a model; {WRITE}")
    return model, _checked(url)


def _of_openai(model: str) -> str:
    """Check the name of a model of OpenAI, which has no URL behind it, and is none itself."""
    if "@" in model:
        raise InvalidValueError(f"what stands behind the @ is no URL: it has no http:// or https://; {WRITE}")
    if ":" in model and not model.startswith("ft:"):
        raise InvalidValueError(
            f"a model of {OPENAI} has no : in its name, but for ft:…, and is no address; for another server {WRITE}"
        )
    if not model or "/" in model or "\\" in model or _PLACE.match(model):
        raise InvalidValueError(
            f"a model of {OPENAI} has no / in its name, and is no address; for another server {WRITE}"
        )
    return model


def _checked(url: str) -> str:
    """Check the URL of an API, and write it in one way."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        raise InvalidValueError(
            f"the URL of an endpoint has a host or a port that cannot be; {WRITE}"
        ) from None
    if parts.scheme not in ("http", "https") or not url[len(parts.scheme) :].startswith("://") or "\\" in url:
        raise InvalidValueError(f"the URL of an endpoint starts with neither http:// nor https://; {WRITE}")
    if "@" in parts.netloc or "?" in url or "#" in url:
        azure = (
            "; of Azure it is https://NAME.openai.azure.com/openai/v1" if host.endswith(".azure.com") else ""
        )
        raise InvalidValueError(
            f"the URL of an endpoint carries a user, a password, a query or a fragment; write the bare URL of the API"
            f"{azure}, and name what holds the key with key_from"
        )
    if not _is_host(parts, host) or port == 0 or parts.netloc.endswith(":"):
        raise InvalidValueError(f"the URL of an endpoint has a host or a port that cannot be; {WRITE}")
    path = parts.path.rstrip("/")
    if re.search(
        r"/(chat/)?completions$|/responses$|/embeddings$|/models$|/api/(chat|generate)$", path, re.IGNORECASE
    ):
        raise InvalidValueError(
            "the URL of an endpoint ends in a method of the API; write what stands before it"
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}{path}"


def _is_host(parts: SplitResult, host: str) -> bool:
    if ":" not in host:
        return bool(_HOST.match(host))
    try:
        return bool(_BRACKETS.match(parts.netloc)) and bool(ipaddress.IPv6Address(host))
    except ValueError:
        return False


def host_of(url: str) -> str:
    """The host of a URL that was checked.

    >>> host_of("http://[::1]:8000/v1")
    '::1'
    """
    return urlsplit(url).hostname or ""


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine, so that what is sent there is seen by nobody else.

    >>> [is_this_machine(host) for host in ("localhost", "127.0.0.9", "::1", "localhost.example.org")]
    [True, True, True, False]
    """
    if host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def check_key(url: str, key_from: str | None, allow_http: str | None) -> None:
    """Check what can be known of a key before it is needed. Raises `InvalidValueError`."""
    host = host_of(url)
    if key_from is not None and url.startswith("http:") and not is_this_machine(host) and allow_http != host:
        raise InvalidValueError(
            f"a key would go to {host} over plain http, where others can read it; write https://, or allow it with "
            f"allow_http={host!r} (--allow-http {host})"
        )
    if key_from is not None and not key_from.strip():
        raise InvalidValueError("key_from is empty; write the name of an environment variable, or a file")


def source_of(url: str, key_from: str | None) -> str | None:
    """What holds the key for a URL: what was given for it, and `$OPENAI_API_KEY` for OpenAI's own alone."""
    own = url.startswith("https:") and host_of(url) == host_of(OPENAI)
    return KEY if key_from is None and own else key_from


def read_key(url: str, key_from: str | None) -> str:
    """Read the key for a URL from the environment or a file; empty where none was given for it.

    Raises `InvalidValueError`, which never shows what was read.
    """
    source = source_of(url, key_from)
    if source is None:
        return ""
    key = os.environ.get(source)
    shown = f"${source}"
    if key is None and key_from is not None:
        shown = f"the file {source!r}" if Path(source).expanduser().is_file() else "key_from"
        key = _from_file(source)
    key = (key or "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidValueError(
            f"the key in {shown} has characters that no key has; allowed is printable ASCII"
        )
    return key


def _from_file(source: str) -> str:
    try:
        key = read_text(source)
    except (RunError, DataError):
        named = f"${source} is not set, and there is no file of that name" if _NAME.match(source) else (
            "it is neither the name of an environment variable nor a file that can be read"
        )  # fmt: skip
        raise InvalidValueError(f"key_from: {named}") from None
    if not key.strip():
        raise InvalidValueError("key_from names a file that is empty")
    return key
