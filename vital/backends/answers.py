"""How answers of language models and captioners are read: what is an answer, and what merely stands beside it.

Every answer goes the same way. Thoughts, channels and the marks of chat templates go first (`spoken`). Then the answer
is found by its structure: JSON, a table, a list, lines. Last, each piece loses its markup, and pieces that are no
answer are dropped: prefaces, remarks, refusals, and ways to say "nothing". No text makes these functions fail.
"""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from vital.backends import _answer_patterns as like

LONGEST = 8
"""Descriptions of more words are remarks."""
LONGEST_PHRASE = 16
"""The same for a caption in short."""
LARGEST = 20_000
"""How many characters of an answer are read."""


def read_descriptions(answer: str, count: int) -> list[str]:
    r"""Read up to `count` descriptions, in lower case, each once; one line may hold several between commas.

    Empty where the answer holds none: a refusal, "none", nothing but thoughts.

    >>> read_descriptions('Sure! Here are two:\n1. "Striped cubes"\n2. stripes.\n3. Stripes', 5)
    ['striped cubes', 'stripes']
    >>> read_descriptions('<think>Hm.</think>```json\n{"descriptions": ["red cube"]}\n```', 5)
    ['red cube']
    >>> read_descriptions("I'm sorry, but I can't help with that.", 5)
    []
    """
    kept = dict.fromkeys(
        text.lower() for text in _pieces(spoken(answer), several=True) if _is_short(text, LONGEST)
    )
    return list(kept)[:count]


def read_phrase(answer: str, caption: str) -> str:
    """Read the phrase that a caption was brought to; the caption where the answer holds none.

    >>> read_phrase('Phrase: "Brown dog."', "a brown dog"), read_phrase("N/A", "a brown dog")
    ('Brown dog', 'a brown dog')
    """
    said = spoken(answer)
    if caption.strip() and said.startswith(caption.strip()):
        said = re.sub(r"^\s*(?:->|=>|→|⇒)\s*", "", said[len(caption.strip()) :]) or said
    found = (text for text in _pieces(said, several=False) if _is_short(text, LONGEST_PHRASE))
    return next(found, caption)


def read_caption(answer: str) -> str:
    r"""Read a caption, whatever its length, on one line; empty where the answer holds none.

    >>> read_caption("A dog on a sofa."), read_caption("Sure! Here is a caption:\n\nA dog.")
    ('A dog on a sofa.', 'A dog.')
    >>> read_caption("I'm sorry, but I can't see any image.")
    ''
    """
    text = spoken(answer)
    found = _structured(text)
    lines = [line for line in (text.splitlines() if found is None else found) if line.strip()]
    said = list[str]()
    for line in lines:
        bare = like.MARK.sub("", _without_lead(" ".join(line.split())))
        if said and like.NOTE.match(bare):
            break
        if (
            bare
            and not bare.endswith(":")
            and not _is_none(bare)
            and not like.META.match(bare.strip(like.QUOTES + ".:#"))
        ):
            said.append(_unquoted(bare))
    return " ".join(said) if said and any(letter.isalnum() for letter in said[0]) else ""


def holds_answer(answer: str) -> bool:
    """Whether an answer holds any text that can be used, as a description, a phrase or a caption.

    >>> holds_answer("red cubes"), holds_answer("N/A"), holds_answer("<think>Well")
    (True, False, False)
    """
    return bool(read_phrase(answer, "") or read_descriptions(answer, 1))


def read_lines(lines: Iterable[str]) -> list[str]:
    """Read descriptions that a summarizer gave as a list: each as it is, but for those that are no answer.

    >>> read_lines(["red cube", "I cannot say", "none", "Sure! Here are two:"])
    ['red cube']
    """
    spoken_lines = (" ".join(spoken(line).split()) for line in lines)
    return [
        line
        for line in spoken_lines
        if line and not _is_none(line) and not line.endswith(":") and any(map(str.isalnum, line))
    ]


def spoken(answer: str) -> str:
    """Take what is said to the user: without thoughts, other channels, and the marks of chat templates.

    >>> spoken("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>cubes<|return|>")
    'cubes'
    >>> spoken("They share cubes.</think>cubes</s>")
    'cubes'
    """
    text = answer[-LARGEST:].replace("\r\n", "\n").replace("\r", "\n").replace("’", "'")
    text = html.unescape(re.sub(r"[\u200b-\u200f\u2060\ufeff\x00-\x08\x0b-\x1f]", "", text))
    text = like.CHECKED.sub(r"\1", like.ENVIRONMENT.sub("\n", text))
    if like.PAGE.match(text):
        return ""
    text = _without_thoughts(_final_channel(text))
    if like.GRANITE.match(text) or re.search(
        r"(?:^|\n)\W*final (?:answer|response)\W*?:", text, re.IGNORECASE
    ):
        found = like.RESPONSE.match(text)
        text = text[found.end() :] if found else "" if like.GRANITE.match(text) else text
    wrapped = [next(filter(None, match.groups()[1:]), "") for match in like.WRAPPED.finditer(text)]
    if any(part.strip() for part in wrapped):
        text = "\n".join(wrapped)
    while found := like.HEADER.match(text):
        text = text[found.end() :]
    ends = [end.start() for end in like.END.finditer(text) if text[: end.start()].strip()]
    text = like.END.sub("", text[: ends[0]] if ends else text)
    text = like.ANY_TAG.sub("\n", like.INLINE.sub("", text)).strip()
    return text if "\n" in text or text[:1] in "[{" else text.replace("\\n", "\n")


def _final_channel(text: str) -> str:
    if "<|channel|>" in text:
        finals = list(like.FINAL.finditer(text))
        return text[finals[-1].end() :] if finals else ""
    if found := like.BARE_FINAL.match(text):
        return text[found.end() :]
    return "" if like.BARE_THOUGHT.match(text) else like.CHANNEL.sub("", text)


def _without_thoughts(text: str) -> str:
    for start, end in like.THOUGHTS:
        text = re.sub(rf"{start}(?:(?!{start}).)*?{end}", "", text, flags=like.FLAGS)
        text = re.sub(rf"^.*{end}", "", text, flags=like.FLAGS)
        text = re.sub(rf"{start}.*\Z", "", text, flags=like.FLAGS)
    return text


def _pieces(text: str, *, several: bool) -> Iterator[str]:
    """Give the pieces of an answer, without markup and without what is no answer."""
    found = _structured(text)
    if found is None:
        if _refuses(text):
            return
        found = _listed(text)
    for piece in _between_commas(found[0]) if several and len(found) == 1 else found:
        plain = _plain(piece)
        if plain and not _is_none(plain) and (not like.META.match(plain) or plain.lower() in like.NOT_META):
            yield plain


def _refuses(text: str) -> bool:
    """Whether an answer begins with a refusal, after which other lines say only why, or what to ask instead."""
    first = next((line for line in text.splitlines() if line.strip()), "").strip(like.QUOTES)
    return bool(like.REFUSAL.search(first)) and not re.search(r"\bhere (?:is|are)\b", first, re.IGNORECASE)


def _is_none(text: str) -> bool:
    bare = text.strip(like.QUOTES + ".!,;:()[]{}<>-–—…").replace("’", "'")
    return not bare or bool(like.NOTHING.match(bare) or like.REFUSAL.search(bare))


def _is_short(text: str, most: int) -> bool:
    return len(text.split()) <= most and len(text) <= 20 * most


def _structured(text: str) -> list[str] | None:
    """Find an answer in JSON, in a list of Python or in a table; None where there is none of them."""
    blocks = [body for _, body in like.FENCE.findall(text)]
    for part in (*blocks, text):
        found = list(_values(part))
        if found:
            return [one for value in found for one in _texts(value)]
    return _table("\n".join(blocks) or text) or _cut_off(text)


def _values(text: str) -> Iterator[Any]:
    """Give the objects and lists of JSON or Python in a text, one after the other."""
    decoder, place, tries = json.JSONDecoder(), 0, 0
    if text.strip().startswith('"') and (whole := _whole(text.strip())) is not None:
        yield whole
        return
    while (match := re.compile(r"[\[{]").search(text, place)) and tries < 50:
        start, tries = match.start(), tries + 1
        try:
            value, place = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            value, place = _lenient(text, start)
        if isinstance(value, dict | list) and _is_data(value):
            yield value


def _whole(text: str) -> Any:
    """Read a text that is one string of JSON, in which there may be JSON again."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return [value] if isinstance(value, str) else None


def _lenient(text: str, start: int) -> tuple[Any, int]:
    """Read JSON with commas too many, or a literal of Python, from its bracket to the last that closes it."""
    close = {"{": "}", "[": "]"}[text[start]]
    end = text.rfind(close, start)
    if end < 0:
        return None, start + 1
    body = re.sub(r",(\s*[\]}])", r"\1", text[start : end + 1])
    body = body.replace("“", '"').replace("”", '"')
    for read, given in ((json.loads, body), (ast.literal_eval, body), (json.loads, body.replace('\\"', '"'))):
        try:
            return read(given), end + 1
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return None, start + 1


def _is_data(value: Any) -> bool:
    """Whether brackets hold data: "[1]" and "{}" beside a text are none."""
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value)
    return not value or any(isinstance(part, str | dict | list) for part in value)


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Give the texts that a value of JSON answers with."""
    if depth > 6:
        return
    if isinstance(value, str):
        inner = value.strip()
        nested = list(_values(inner)) if inner[:1] in "[{" and inner else []
        if nested:
            yield from (one for part in nested for one in _texts(part, depth + 1))
        else:
            yield from (line for line in value.splitlines() if line.strip())
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part, depth + 1)
    elif isinstance(value, dict):
        yield from _of_object(value, depth)


def _of_object(value: dict[str, Any], depth: int) -> Iterator[str]:
    lower = {str(key).lower().strip().replace(" ", "_"): part for key, part in value.items()}
    chosen = next((key for key in like.ANSWER_KEYS if lower.get(key) not in (None, "", [], {})), None)
    if chosen is not None:
        yield from _texts(lower[chosen], depth + 1)
        return
    if any(key in like.ANSWER_KEYS for key in lower) or "error" in lower or "refusal" in lower:
        return
    left = {key: part for key, part in value.items() if str(key).lower() not in like.ASIDE_KEYS}
    if left and all(isinstance(part, int | float) for part in left.values()):
        yield from left  # descriptions with their weights
    else:
        yield from (one for part in left.values() for one in _texts(part, depth + 1))


def _cut_off(text: str) -> list[str] | None:
    """Read the strings that JSON holds as far as it goes, where its end was cut off; None for what is no JSON."""
    bare = re.sub(r"^\s*(?:```|~~~)\s*\w*\s*", "", text)
    if not re.match(r"[\[{]\s*[\"{\[]", bare):
        return None
    body = like.KEYED.sub("", like.ASIDE_VALUE.sub("", bare))
    return [match.group(1) for match in like.STRING.finditer(body)]


def _table(text: str) -> list[str] | None:
    """Read the column of a table in Markdown that answers."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in text.splitlines()
        if line.strip().startswith("|") or line.count("|") >= 2
    ]
    rule = next(
        (i for i, row in enumerate(rows) if all(re.fullmatch(r":?-{2,}:?", cell) for cell in row)), None
    )
    if len(rows) < 2 or (
        rule is None and not all(line.strip().startswith("|") for line in text.splitlines() if line.strip())
    ):
        return None
    head, body = (rows[rule - 1], rows[rule + 1 :]) if rule else ([], rows if rule is None else rows[1:])
    named = (
        i
        for i, cell in enumerate(head)
        if re.search(like.LABEL_WORDS + r"\b", cell, re.IGNORECASE) and len(cell) < 40
    )
    wordy = (
        i for i in range(max(map(len, body), default=0)) if any(i < len(r) and _has_word(r[i]) for r in body)
    )
    column = next(named, next(wordy, 0))
    return [row[column] for row in body if column < len(row)]


def _has_word(cell: str) -> bool:
    return bool(re.search(r"[^\W\d_]{2,}", cell))


def _listed(text: str) -> list[str]:
    """Find the lines that answer: those of a list where there is one, else all that are no preface and no remark."""
    lines = _without_notes([line for line in _fenced(text).splitlines() if line.strip()])
    if len(lines) == 1 and like.MARK.match(lines[0].strip()):
        lines = like.NUMBERED.split(lines[0])
    lines = _uncounted(lines)
    marked = [
        line for line in lines if like.MARK.match(line.strip()) and not like.EMPTY_MARK.match(line.strip())
    ]
    marked = [line for line in marked if not line.rstrip("*_ ").endswith(":")] or marked
    if marked:
        least = min(len(line) - len(line.lstrip()) for line in marked)
        return [line for line in marked if len(line) - len(line.lstrip()) == least]
    return [bare for line in lines if (bare := _answering(line))]


def _uncounted(lines: list[str]) -> list[str]:
    """Take off the numbers of lines that they count from 1, whatever stands between."""
    found = [like.COUNTED.match(line) for line in lines]
    numbers = [int(one[1]) for one in found if one]
    counts = len(lines) > 1 and numbers == list(range(1, len(lines) + 1))
    return [one[2] for one in found if one] if counts else lines


def _fenced(text: str) -> str:
    blocks = [body for _, body in like.FENCE.findall(text) if body.strip()]
    return "\n".join(blocks) if blocks else text


def _without_notes(lines: list[str]) -> list[str]:
    """Leave out what stands before a line such as "Answer:", and what follows a note."""
    starts = [i for i, line in enumerate(lines) if like.ANSWER.match(line)]
    lines = lines[starts[0] :] if starts else lines
    ends = [i for i, line in enumerate(lines) if i and like.NOTE.match(line)]
    return lines[: ends[0]] if ends else lines


def _answering(line: str) -> str:
    """Take what a line answers, or nothing where it is a heading, a preface or a remark."""
    heading = line.strip().startswith("#")
    bare = _without_lead(line.strip().lstrip("# "))
    if (
        not bare
        or bare.rstrip("*_ ").endswith((":", "："))
        or (heading and like.META.match(bare.strip(like.QUOTES)))
    ):
        return ""
    return "" if like.PREFACE_ALONE.match(bare.strip(like.QUOTES)) or like.WARNING.match(bare) else bare


def _without_lead(text: str) -> str:
    """Take off prefaces and names of what follows, such as "Sure!", "Answer:" and "The common theme is"."""
    before = ""
    while text != before:
        before = text
        for lead in (like.PREFACE, like.LABEL, like.SENTENCE, like.HEDGE):
            bare = text if lead is like.LABEL else text.lstrip("*_ \"'“`")
            if found := lead.match(bare):
                text = bare[found.end() :].strip()
    return text


def _between_commas(line: str) -> list[str]:
    """Cut a line at its commas, where what stands between them may be descriptions."""
    parts = [
        re.sub(r"^(?:and|or)\s+", "", part.strip())
        for part in re.split(r"[,;、，]|\s[|/•·]\s", line)
        if part.strip()
    ]
    if len(parts) > 2 and not any(" and " in part for part in parts[:-1]):
        parts = [*parts[:-1], *parts[-1].split(" and ")]
    if any(like.ASIDE.match(part) for part in parts[1:]):
        return parts[:1]
    return parts if all(len(part.split()) <= LONGEST for part in parts) else _first_sentence(line)


def _first_sentence(line: str) -> list[str]:
    for end in re.finditer(r"(?<=[a-z)\"”])[.!?]\s+(?=[A-Z])", line):
        if not like.ABBREVIATED.search(line[: end.start() + 1]):
            return [line[: end.start()]]
    return [line]


def _unquoted(text: str) -> str:
    bare = text.strip("`*_ ")
    bare = bare[:-1] if bare[-2:] in ('".', "”.", "'.") else bare
    pair = bare[:1] + bare[-1:]
    return bare[1:-1].strip() if pair in ('""', "''", "“”", "‘’", "«»") else bare


def _unbracketed(text: str) -> str:
    """Take off brackets around a whole text or its beginning, and those that lack their other half."""
    for start, end in ("()", "[]", "{}", "<>"):
        whole = text.startswith(start) and text.endswith(end)
        if whole or (text.startswith(start) and end not in text):
            text = text[1:]
        if whole or (text.endswith(end) and start not in text):
            text = text[:-1]
    return re.sub(r"^(?:\[([^\[\]]*)\]|\{([^{}]*)\})", r"\1\2 ", text)


def _plain(piece: str) -> str:
    """Bring one piece to its words: no mark of a list, no name before it, no explanation behind it, no markup."""
    text = like.MARK.sub("", piece.strip())
    if found := re.match(r"^[\"'“]?(\*\*|__)(.+?)(?::\1|\1[\"'”]?\s*(?:[:\-–—(]|$))", text):
        inner = found.group(2).rstrip(" :")
        text = text[found.end() :] if like.META.match(inner) and text[found.end() :].strip() else inner
    text = _without_lead(re.sub(r"!?\[([^\[\]]*)\]\([^()\s]*\)", r"\1", text))
    text = like.TAIL.sub("", like.EMOJI.sub("", like.TEX.sub(r"\1", text)).strip())
    text = re.split(r"[\"'”]\s*,\s*[\"'“]", text)[0]
    text = re.split(r"\s+[-–—=→]+>?\s+|[:：]\s+|\s*\|\s*", text.strip(like.QUOTES + "|"))[0]
    text = like.MARK.sub("", re.sub(r"\*\*|__|`|~~|^#+\s*|\$", "", text))
    text = _first_sentence(text)[0]
    for _ in range(3):
        text = _unbracketed(text.strip(like.QUOTES + "|\\#…").rstrip(".,;:!?。"))
    text = text.lstrip("[{|#,;:!?" + like.QUOTES)
    text = " ".join(text.split())
    text = text if " " in text else re.sub(r"(?<=\w)_(?=\w)", " ", text)
    return text if any(map(str.isalpha, text)) and not like.PREFACE_ALONE.match(text) else ""
