"""What a chat-completions endpoint sent back: the answer in it, or what went wrong in the server's own words.

Servers say errors behind any status, 200 among them, and put an answer as a text, as parts, or beside thoughts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from vital.backends.protocols import NoAnswerError
from vital.errors import ModelError

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_QUOTA = re.compile(
    r"insufficient.?(?:quota|balance|funds|credits?)|exceeded.{0,30}quota|quota.{0,20}exceeded|billing|credit balance"
    r"|out of credits|payment required|(?:per|/) ?day\b|\brpd\b|daily.{0,20}limit",
    re.IGNORECASE,
)
_PASSING = re.compile(r"rate.?limit|overload|server.?error|internal|unavailable|time.?out|timed out|try again|busy"
                      r"|capacity|too many|loading", re.IGNORECASE)  # fmt: skip
_FORM = re.compile(r"response.?format|schema|\bjson|structured|grammar|guided|unsupported|not support|unknown"
                   r"|unrecognized|unexpected|extra|additional|not permitted", re.IGNORECASE)  # fmt: skip
_ELSE = re.compile(r"model|context|token|api.?key|quota|billing|temperature|seed|message", re.IGNORECASE)
_FILTER = re.compile(
    r"\"(?:content_filter|content_policy_violation|ResponsibleAIPolicyViolation|content_filtered)\"",
    re.IGNORECASE,
)
_PAGE = re.compile(r"^\s*<(?:!doctype|html|head|body|\?xml)", re.IGNORECASE)


class RetryError(Exception):
    """A failure that another try may mend, and the seconds that the server asks to wait."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        Exception.__init__(self, why)
        self.wait = wait


@dataclass(frozen=True)
class Sent:
    """What a server sent: the status, the text, after how long to ask again, and whether it calls it HTML."""

    status: int
    text: str
    retry_after: str = ""
    html: bool = False

    @property
    def is_page(self) -> bool:
        """Whether it is a web page."""
        return self.html or bool(_PAGE.match(self.text))

    @property
    def value(self) -> Any:
        """The JSON in it, pieces of a stream put together; None where there is none."""
        if self.text.lstrip().startswith("data:"):
            return _joined(self.text)
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    @property
    def wait(self) -> float:
        """Seconds that the server asks to wait, said as a number or as a date."""
        try:
            return max(0.0, float(self.retry_after))
        except ValueError:
            pass
        try:
            date = parsedate_to_datetime(self.retry_after)
        except (ValueError, TypeError):
            return 0.0
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, (date - datetime.now(UTC)).total_seconds())


def refused(sent: Sent, name: str, url: str, advice: str = "") -> Exception:
    """The error for a status that is not 200; a filter may answer so too."""
    error = _error(sent.value)
    if sent.status in (400, 403, 422) and _FILTER.search(sent.text):
        return NoAnswerError(f"{name} refused to answer: {_line(error or _shown(sent))}")
    said = f"status {sent.status} ({_line(error or _shown(sent))})"
    if sent.status in _AGAIN and not _QUOTA.search(error or sent.text):
        return RetryError(said, sent.wait)
    return ModelError(f"{name} refused the request: {said}{advice}{_hint(sent, url)}")


def no_schema(sent: Sent) -> bool:
    """Whether a server refused a request for the form that it asked the answer to have."""
    if sent.status not in (400, 422, 501) or _FILTER.search(sent.text):
        return False
    said = _error(sent.value) or sent.text
    return bool(_FORM.search(said)) or not _ELSE.search(said)


def answer_of(sent: Sent, name: str, url: str) -> str:
    """Find the text of an answer.

    Raises `NoAnswerError` where the model or a filter keeps it back, `RetryError` for what another try may mend, and
    `ModelError` for any other error.
    """
    value = sent.value
    if value is None and sent.is_page:
        raise ModelError(
            f"{name} answered with a web page, where JSON is due ({_line(_shown(sent))}){_hint(sent, url)}"
        )
    choice = _choice(value)
    message = choice.get("message") or choice.get("delta") or {}
    message = message if isinstance(message, dict) else {}
    text = _text(message.get("content")) or _text(choice.get("text"))
    reason = str(choice.get("finish_reason") or "")
    if text.strip():
        return _whole_lines(text) if reason == "length" else text
    if error := _error(value) or _error({"error": choice.get("error")}):
        raise _failed(value, choice, error, name)
    if refusal := _text(message.get("refusal")) or _refusal_part(message.get("content")):
        raise NoAnswerError(f"{name} refused to answer: {_line(refusal)}")
    if reason in ("content_filter", "safety", "SAFETY", "refusal"):
        raise NoAnswerError(f"{name} held its answer back ({reason}{_filtered(choice)})")
    if reason in ("length", "max_tokens"):
        raise NoAnswerError(
            f"{name} came to the most tokens of an answer before it said anything (finish_reason: {reason}); "
            "max_tokens (--max-tokens) allows more"
        )
    raise RetryError("the answer holds no text")


def _failed(value: Any, choice: Any, error: str, name: str) -> Exception:
    """The error for one that is said behind status 200."""
    inner: Any = next(
        (part.get("error") for part in (value, choice) if isinstance(part, dict) and part.get("error")), {}
    )
    inner = inner if isinstance(inner, dict) else {}
    kind = f"{inner.get('code') or ''} {inner.get('type') or ''} {inner.get('status') or ''}"
    numbers = {int(number) for number in re.findall(r"\b[1-5]\d\d\b", kind)}
    whole = f"{kind} {error}"
    if _FILTER.search(json.dumps(inner)):
        return NoAnswerError(f"{name} refused to answer: {_line(error)}")
    if not _QUOTA.search(whole) and (numbers & _AGAIN or (not numbers and _PASSING.search(whole))):
        return RetryError(f"an error ({_line(error)})")
    return ModelError(f"{name} answered with an error: {_line(error)}")


def _choice(value: Any) -> dict[str, Any]:
    choices = value.get("choices") if isinstance(value, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _text(content: Any) -> str:
    """The text of a message: as it is, or the parts of it that are said."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    return "".join(_parts(content)) if isinstance(content, list) else ""


def _parts(content: list[Any]) -> Iterator[str]:
    for part in content:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict) and part.get("type", "text") in ("text", "output_text"):
            inner = part.get("text")
            inner = inner.get("value") if isinstance(inner, dict) else inner
            yield inner if isinstance(inner, str) else ""


def _refusal_part(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    return next((str(p["refusal"]) for p in parts if isinstance(p, dict) and p.get("refusal")), "")


def _error(value: Any) -> str:
    """What a server says of an error in JSON, in any of the common places."""
    if isinstance(value, list) and value:
        return _error(value[0])
    if not isinstance(value, dict):
        return ""
    found = value.get("error") or value.get("errors") or value.get("detail")
    if not found and ("choices" not in value or value.get("object") == "error"):
        found = value.get("message")
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, dict):
        inner = next((found[key] for key in ("message", "msg", "detail", "error") if found.get(key)), None)
        more = found.get("code") or found.get("type")
        found = json.dumps(found, ensure_ascii=False) if inner is None else inner
        found = f"{found} ({more})" if isinstance(more, str) and _QUOTA.search(more) else found
    return str(found) if found and found is not True else ""


def _filtered(choice: dict[str, Any]) -> str:
    found = choice.get("content_filter_results") or choice.get("native_finish_reason")
    return f": {_line(json.dumps(found))}" if found else ""


def _whole_lines(text: str) -> str:
    """Leave out the last line of an answer that was cut off, where there are others."""
    before, line_end, _ = text.rstrip().rpartition("\n")
    return before if line_end and before.strip() and not text.lstrip().startswith(("{", "[", "```")) else text


def _joined(text: str) -> Any:
    """Put the pieces of a stream of events together to one answer."""
    parts, reason = list[str](), None
    for line in text.splitlines():
        piece = line.removeprefix("data:").strip()
        if not line.startswith("data:"):
            continue
        try:
            value = json.loads(piece)
        except (ValueError, RecursionError):
            continue
        if _error(value) and not _choice(value):
            return value
        choice = _choice(value)
        delta = choice.get("delta") or choice.get("message") or {}
        parts.append(_text(delta.get("content")) if isinstance(delta, dict) else "")
        reason = choice.get("finish_reason") or reason
    return {"choices": [{"message": {"content": "".join(parts)}, "finish_reason": reason}]}


def _hint(sent: Sent, url: str) -> str:
    """What slip in the URL an answer hints at."""
    if ".azure.com" in url and sent.status != 401:
        return "; of Azure the URL is https://NAME.openai.azure.com/openai/v1, which needs no api-version"
    if sent.status in (404, 405) or sent.is_page:
        if not re.search(r"/v\d+(?:beta\d*)?(?:/|$)", url):
            return f"; the URL of an API mostly ends in /v1: {url}/v1"
        return "; is the URL that of the API, and does the model exist there?"
    return ""


def _shown(sent: Sent) -> str:
    """A text in short; of a web page its title."""
    title = re.search(r"<title[^>]*>(.*?)</title>|<h1[^>]*>(.*?)</h1>", sent.text, re.IGNORECASE | re.DOTALL)
    if sent.is_page and title:
        return re.sub(r"<[^>]*>", " ", title.group(1) or title.group(2) or "")
    return sent.text or "nothing was said"


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
