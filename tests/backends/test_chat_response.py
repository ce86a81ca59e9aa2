"""What an endpoint sent back is told apart by its status, its form and its words."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from vital.backends.chat_response import RetryError, Sent, answer_of, no_schema, refused
from vital.backends.protocols import NoAnswerError
from vital.errors import ModelError

URL = "https://host/v1"
STATUSES = range(400, 600)
FILTERED = '{"error": {"code": "content_filter", "message": "no"}}'


def message(status: int = 200, text: str = "", url: str = URL) -> str:
    return str(refused(Sent(status, text), "m", url))


def said(content: object, reason: str = "stop", **more: object) -> Sent:
    choice = {"message": {"content": content, **more}, "finish_reason": reason}
    return Sent(200, json.dumps({"choices": [choice]}))


def test_some_statuses_may_be_mended_by_another_try() -> None:
    again = {s for s in STATUSES if isinstance(refused(Sent(s, "x", "7"), "m", URL), RetryError)}
    assert again == {408, 409, 425, 429, 500, 502, 503, 504, 529}
    assert RetryError("x").wait == 0
    error = refused(Sent(503, "x", "7"), "m", URL)
    assert isinstance(error, RetryError)
    assert error.wait == 7
    assert isinstance(refused(Sent(429, "you exceeded your current quota"), "m", URL), ModelError)


def test_a_filter_answers_with_some_statuses() -> None:
    kept = {s for s in STATUSES if isinstance(refused(Sent(s, FILTERED), "m", URL), NoAnswerError)}
    assert kept == {400, 403, 422}
    assert str(refused(Sent(400, FILTERED), "m", URL)) == "m refused to answer: no"


def test_a_form_is_refused_with_some_statuses() -> None:
    assert {s for s in STATUSES if no_schema(Sent(s, "unknown field response_format"))} == {400, 422, 501}
    assert {s for s in STATUSES if no_schema(Sent(s, FILTERED))} == set()
    assert no_schema(Sent(400, "no"))
    assert not no_schema(Sent(400, "the api key is wrong"))
    assert no_schema(Sent(400, "the model has no support for json: unsupported"))


@pytest.mark.parametrize(
    "url", ["https://me.openai.azure.com/openai", "https://me.openai.azure.com/openai/v1"]
)
def test_azure_has_a_hint_of_its_own_but_not_about_its_key(url: str) -> None:
    assert {s for s in STATUSES if "of Azure the URL is" in message(s, url=url)} == {
        s for s in STATUSES if not isinstance(refused(Sent(s, ""), "m", url), RetryError)
    } - {401}


def test_a_missing_page_hints_at_the_url() -> None:
    assert {s for s in STATUSES if "; the URL of an API" in message(s, url="https://host")} == {404, 405}
    assert message(404, url="https://host").endswith("mostly ends in /v1: https://host/v1")
    for url in (URL, "https://host/v1beta/openai", "https://host/v12/x", "https://host/v1beta2"):
        assert message(404, url=url).endswith("; is the URL that of the API, and does the model exist there?")
    for url in ("https://host/v1x", "https://host/v"):
        assert "mostly ends in /v1" in message(404, url=url)


def test_a_page_is_named_by_its_title() -> None:
    page = Sent(403, "<html><title>Go <b>away</b></title></html>")
    assert page.is_page
    assert "status 403 (Go away)" in str(refused(page, "m", URL))
    assert Sent(200, "x", html=True).is_page
    assert not Sent(200, "x <html>").is_page
    assert "status 403 (Go)" in message(403, "<html><h1>Go</h1></html>")
    assert "(<html>no)" in message(403, "<html>no")
    assert "(no page <title>a</title>)" in message(403, "no page <title>a</title>")
    with pytest.raises(ModelError, match="answered with a web page, where JSON is due"):
        answer_of(page, "m", URL)


def test_what_is_said_is_shown_in_short() -> None:
    assert "(nothing was said)" in message(418)
    assert f"({'x' * 200})" in message(418, "x" * 300)
    assert "(a b c)" in message(418, " a\n b\t c ")


def test_a_wait_is_a_number_or_a_date() -> None:
    assert [Sent(503, "", text).wait for text in ("3", "2.5", "-3", "soon", "")] == [3, 2.5, 0, 0, 0]
    later, before = (datetime.now(UTC) + timedelta(seconds=s) for s in (600, -600))
    assert 590 < Sent(503, "", format_datetime(later)).wait <= 600
    assert Sent(503, "", format_datetime(before)).wait == 0
    bare = later.replace(tzinfo=None)  # of no zone: universal time
    assert 590 < Sent(503, "", format_datetime(bare)).wait <= 600


def test_a_stream_is_put_together() -> None:
    pieces = [
        {"choices": [{"delta": {"content": "red "}}]},
        {"choices": [{"delta": {"content": "cubes"}, "finish_reason": "stop"}]},
    ]
    text = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces)
    stream = Sent(200, ": ping\n" + text + "data: {broken\ndata: [DONE]\n")
    assert Sent(200, stream.text.removeprefix(": ping\n")).value["choices"][0]["finish_reason"] == "stop"
    assert answer_of(Sent(200, text), "m", URL) == "red cubes"
    beside = (
        'event: x\n{"choices": [{"delta": {"content": "no"}}]}\ndata: {"choices": [], "usage": {"n": 3}}\n'
    )
    assert answer_of(Sent(200, text + beside + "data: [DONE]\n"), "m", URL) == "red cubes"
    failed = text + 'data: {"error": {"message": "overloaded"}}\n'
    assert Sent(200, failed).value == {"error": {"message": "overloaded"}}


def test_an_answer_is_a_text_or_parts_of_one() -> None:
    assert answer_of(said("red"), "m", URL) == "red"
    parts = [
        "a ",
        {"text": "b "},
        {"type": "output_text", "text": {"value": "c"}},
        {"type": "image", "text": "no"},
    ]
    assert answer_of(said(parts), "m", URL) == "a b c"
    assert answer_of(said({"text": "one"}), "m", URL) == "one"
    assert answer_of(Sent(200, '{"choices": [{"text": "old"}]}'), "m", URL) == "old"


def test_an_answer_that_was_cut_off_loses_its_last_line() -> None:
    assert answer_of(said("red cubes\ngreen sph", "length"), "m", URL) == "red cubes"
    assert answer_of(said("red cubes\ngreen spheres"), "m", URL) == "red cubes\ngreen spheres"
    for whole in ("red cub", '["red",\n"gre', "```\nred\ngre", '{"a":\n"b'):
        assert answer_of(said(whole, "length"), "m", URL) == whole


@pytest.mark.parametrize("reason", ["content_filter", "safety", "SAFETY", "refusal", "length", "max_tokens"])
def test_no_text_has_a_reason(reason: str) -> None:
    with pytest.raises(NoAnswerError):
        answer_of(said("", reason), "m", URL)
    with pytest.raises(RetryError, match="the answer holds no text"):
        answer_of(said("", "stop"), "m", URL)


def test_a_refusal_is_told() -> None:
    part = {"type": "refusal", "refusal": "I will not"}
    for sent in (said("", refusal="I will not"), said([part]), said(["", part])):
        with pytest.raises(NoAnswerError, match="m refused to answer: I will not"):
            answer_of(sent, "m", URL)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "overloaded"}, RetryError),
        ({"message": "x", "code": 503}, RetryError),
        ({"message": "x", "code": 400}, ModelError),
        ({"message": "too many, billing"}, ModelError),
        ({"message": "x", "code": "content_filter"}, NoAnswerError),
        ({"message": "what is this"}, ModelError),
    ],
)
def test_an_error_behind_200_is_one(error: dict[str, object], kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        answer_of(Sent(200, json.dumps({"error": error})), "m", URL)
    assert type(caught.value) is kind


def test_an_error_is_that_of_the_choice_or_of_a_list_too() -> None:
    inner = {"message": "x", "code": 503}
    for value in ({"choices": [{"error": inner}]}, [{"error": {"message": "overloaded"}}]):
        with pytest.raises(RetryError):
            answer_of(Sent(200, json.dumps(value)), "m", URL)


@pytest.mark.parametrize("key", ["content_filter_results", "native_finish_reason"])
def test_what_a_filter_found_is_told(key: str) -> None:
    choice = {"message": {"content": ""}, "finish_reason": "content_filter", key: {"hate": "high"}}
    with pytest.raises(NoAnswerError, match=r'held its answer back \(content_filter: \{"hate": "high"\}\)$'):
        answer_of(Sent(200, json.dumps({"choices": [choice]})), "m", URL)
    with pytest.raises(NoAnswerError, match=r"held its answer back \(content_filter\)$"):
        answer_of(said("", "content_filter"), "m", URL)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"error": "bad"}, "bad"),
        ({"error": {"msg": "bad"}}, "bad"),
        ({"error": True}, '{"error": true}'),
        ({"errors": [{"detail": "bad"}]}, "bad"),
        ({"detail": "bad"}, "bad"),
        ({"message": "bad"}, "bad"),
        ([{"error": "bad"}], "bad"),
        ({"error": {"a": "é"}}, '{"a": "é"}'),
        ({"error": {"message": "bad", "code": "insufficient_quota"}}, "bad (insufficient_quota)"),
        ({"error": {"message": "bad", "code": "x"}}, "bad"),
        ({"object": "error", "choices": [], "message": "bad"}, "bad"),
    ],
)
def test_an_error_is_found_in_its_usual_places(value: object, shown: str) -> None:
    assert message(418, json.dumps(value)) == f"m refused the request: status 418 ({shown})"
