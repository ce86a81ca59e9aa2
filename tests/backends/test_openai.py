"""Against a real server on this machine, which answers what a test tells it to."""

import asyncio
import json
import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vital.backends import NoAnswerError, Summarizer, load_summarizer
from vital.errors import (
    InvalidValueError,
    ModelError,
    UnknownNameError,
    UsageError,
)

pytest.importorskip("httpx")

KEY = "sk-secret-0123456789"
CAPTIONS = ["a red cube", "a red sphere"]


@dataclass
class Answers:
    """What the server says next, the last one again and again, and what it was asked."""

    url: str = ""
    next: list = field(default_factory=lambda: [(200, "red things", {})])
    asked: list = field(default_factory=list)
    wait: float = 0.0

    def say(self, *answers) -> None:
        self.next = [(*a, {})[:3] if len(a) < 3 else a for a in answers]


def encoded(said) -> bytes:
    if isinstance(said, bytes):
        return said
    return json.dumps(
        {"choices": [{"message": {"content": said}}]} if isinstance(said, str | None) else said
    ).encode()


@pytest.fixture
def server(monkeypatch) -> Iterator[Answers]:
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answers.asked.append((self.path, dict(self.headers), body))
            status, said, headers = answers.next.pop(0) if len(answers.next) > 1 else answers.next[0]
            time.sleep(answers.wait if status == "slow" else 0)
            sent = encoded(said)
            try:
                self.send_response(200 if status == "slow" else status)
                for name, value in {"content-length": str(len(sent)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent)
            except OSError:
                pass  # the client has given up

        def log_message(self, *given):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    answers.url = f"http://127.0.0.1:{httpd.server_port}/v1"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    yield answers
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def load(server, tmp_path):
    def load(**options):
        return load_summarizer(
            f"openai:small@{server.url}",
            **{"folder": tmp_path / "kept", "pause": 0.001, "key_from": "OPENAI_API_KEY", **options},
        )

    return load


def test_the_model_is_asked_and_its_answer_read(server, load):
    server.say((200, "1. Red things\n2. toys"))
    summarizer = load()
    assert isinstance(summarizer, Summarizer)
    assert summarizer.name == f"openai:small@{server.url}"
    assert summarizer.summarize(CAPTIONS, 2) == ["red things", "toys"]
    ((path, headers, body),) = server.asked
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body["model"] == "small"
    assert (body["temperature"], body["seed"]) == (0.3, 0)
    assert "- a red cube\n- a red sphere" in body["messages"][0]["content"]


def test_captions_that_are_none_are_not_sent(server, load):
    assert load().summarize([], 3) == []
    assert server.asked == []


def test_an_answer_is_asked_for_once_and_replayed_without_a_network(server, load, hidden):
    assert load().summarize(CAPTIONS, 1) == ["red things"]
    server.say((500, "gone"))
    assert load().summarize(CAPTIONS, 1) == ["red things"]
    assert len(server.asked) == 1
    hidden("httpx")
    replayed = load(replay=True)
    assert replayed.summarize(CAPTIONS, 1) == ["red things"]
    assert replayed.cache.spent == 0
    with pytest.raises(ModelError, match=r"an answer is not kept in .*; run it once without replay$"):
        replayed.summarize(["something else"], 1)


def test_another_model_question_or_parameter_is_another_answer(server, load):
    load().summarize(CAPTIONS, 1)
    load().summarize(CAPTIONS, 2)
    load().summarize(CAPTIONS[:1], 1)
    load(parameters={"temperature": 1.0}).summarize(CAPTIONS, 1)
    load_summarizer(f"openai:large@{server.url}", folder=load().cache.folder).summarize(CAPTIONS, 1)
    assert len(server.asked) == 5
    assert server.asked[3][2].get("seed", "none") == "none"
    assert len((load().cache.folder / "chat.jsonl").read_text().splitlines()) == 5


@pytest.mark.parametrize(
    "first",
    [
        (429, {"error": {"message": "slow down"}}, {"retry-after": "0.01"}),
        (500, b"oops"),
        (503, "busy"),
        (200, b"{broken"),
        (200, {"choices": []}),
        (200, None),
        (200, ""),
        (200, [1]),
        (200, b""),
    ],
    ids=str,
)
def test_what_another_try_may_mend_is_tried_again(server, load, first):
    server.say(first, (200, "red things"))
    summarizer = load()
    assert summarizer.summarize(CAPTIONS, 1) == ["red things"]
    assert summarizer.cache.spent == len(server.asked) == 2


def test_a_slow_answer_is_given_up_and_asked_for_again(server, load):
    server.wait = 1.0
    server.say(("slow", "late"), (200, "in time"))
    assert load(timeout=0.2).summarize(CAPTIONS, 1) == ["in time"]
    server.say(("slow", "late"))
    with pytest.raises(ModelError, match=r"was asked once and gave no answer: no answer within 0.2 seconds$"):
        load(timeout=0.2, retries=0).summarize(["other"], 1)


def test_pauses_double_and_the_servers_word_counts(server, load, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    server.say(
        (500, "a"),
        (500, "b"),
        (429, "c", {"retry-after": "7"}),
        (429, "d", {"retry-after": "900"}),
        (500, "e"),
    )
    with pytest.raises(ModelError, match=r"was asked 5 times and gave no answer: status 500 \("):
        load(pause=0.5).summarize(CAPTIONS, 1)
    assert [s for s in slept if s] == [0.5, 1.0, 7.0, 60.0]


def test_a_refusal_is_not_tried_again(server, load):
    server.say((400, {"error": {"message": "no such\nmodel"}}))
    with pytest.raises(ModelError, match=r"refused the request: status 400 \(no such model\)$"):
        load().summarize(CAPTIONS, 1)
    server.say((401, {"error": "who?"}))
    with pytest.raises(ModelError, match=r"status 401 \(who\?\); the key is read from \$OPENAI_API_KEY$"):
        load().summarize(CAPTIONS, 1)
    server.say((302, b"", {"location": "http://127.0.0.1:1/steal"}))
    with pytest.raises(ModelError, match=r"refused the request: status 302"):
        load().summarize(CAPTIONS, 1)
    assert len(server.asked) == 3
    assert not load().cache.folder.exists()


def test_the_budget_counts_every_try(server, load):
    summarizer = load(calls=2)
    server.say((200, "one"), (500, "two"), (200, "three"))
    assert summarizer.summarize(CAPTIONS, 1) == ["one"]
    with pytest.raises(ModelError) as caught:
        summarizer.summarize(["other"], 1)
    assert "the budget of 2 calls is spent (the last one failed: status 500" in str(caught.value)
    assert summarizer.summarize(CAPTIONS, 1) == ["one"]
    assert len(server.asked) == 2


def test_no_connection_is_one_sentence(load, server):
    with pytest.raises(
        ModelError, match=r"openai:m@http://127.0.0.1:9/v1 was asked once and gave no answer: no conn"
    ):
        load_summarizer("openai:m@http://127.0.0.1:9/v1/", retries=0).summarize(CAPTIONS, 1)


def echoing(server: Answers) -> list[tuple]:
    """Answers of every kind in which a server says the key back."""
    said = f"your key is {KEY}"
    return [
        (200, said),
        (400, {"error": {"message": said}}),
        (401, said.encode()),
        (500, {"error": said}),
        (200, {"choices": said}),
        (503, b"x", {"retry-after": KEY}),
    ]


def heard(summarizer, caption: str) -> str:
    """Everything that a user may see of one call."""
    try:
        said = " ".join(summarizer.summarize([caption], 3))
    except ModelError as error:
        said = "".join(traceback.format_exception(error)) + repr(error.__cause__)
    return " ".join([said, repr(summarizer), str(vars(summarizer)), summarizer.name])


def test_the_key_is_in_no_log_no_file_and_no_message(server, load, caplog, capfd, tmp_path):
    caplog.set_level(logging.DEBUG)
    seen = []
    for number, answer in enumerate(echoing(server)):
        server.say(answer)
        seen.append(heard(load(retries=1), f"caption {number}"))
    assert seen[0].startswith("your key is [key] ")
    assert all("Traceback" in text for text in seen[1:])
    (path,) = (tmp_path / "kept").iterdir()
    kept = path.read_text().splitlines()
    assert len(kept) == 1
    records = [str(vars(record)) for record in caplog.records]
    for text in (*seen, *kept, *records, caplog.text, *capfd.readouterr()):
        assert KEY not in text
    assert {headers["Authorization"] for _, headers, _ in server.asked} == {f"Bearer {KEY}"}


def test_a_key_that_no_header_may_hold_is_refused_unseen(load, monkeypatch):
    for key in ("sk-bad\nkey", "sk-schlüssel"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(InvalidValueError) as caught:
            load().summarize(CAPTIONS, 1)
        assert str(caught.value).startswith("the key in $OPENAI_API_KEY has characters that no key has")
        assert key not in "".join(traceback.format_exception(caught.value))


def test_without_a_key_none_is_sent_and_another_variable_may_hold_it(server, load, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    load(key_from=None).summarize(CAPTIONS, 1)
    monkeypatch.setenv("MY_KEY", "other")
    load(key_from="MY_KEY").summarize(["other"], 1)
    assert [headers.get("Authorization") for _, headers, _ in server.asked] == [None, "Bearer other"]


@pytest.mark.parametrize(
    "url",
    [
        "https://me:sk-hidden@host/v1",
        "https://sk-hidden@host/v1",
        "https://host/v1?key=sk-hidden",
        "http:///sk-hidden",
    ],
)
def test_a_key_in_the_url_is_refused_and_not_shown(url):
    with pytest.raises(InvalidValueError) as caught:
        load_summarizer(f"openai:m@{url}")
    assert "sk-hidden" not in str(caught.value)


def test_models_and_urls_are_told_apart():
    assert load_summarizer("openai:gpt-9").name == "openai:gpt-9@https://api.openai.com/v1"
    assert load_summarizer("openai:org/m@2:7b@http://h:1/v1/").name == "openai:org/m@2:7b@http://h:1/v1"
    with pytest.raises(UsageError, match="names nothing after the colon"):
        load_summarizer("openai:")
    with pytest.raises(InvalidValueError, match="write openai:MODEL or openai:MODEL@URL"):
        load_summarizer("openai:@http://h/v1")


@pytest.mark.parametrize(
    ("option", "value"),
    [("timeout", 0), ("retries", -1), ("pause", -1), ("calls", -1), ("timeout", float("nan"))],
)
def test_options_that_cannot_be_are_refused(option, value):
    with pytest.raises(InvalidValueError, match=rf"^{option} is {value}; allowed are numbers from"):
        load_summarizer("openai:m", **{option: value})
    with pytest.raises(UnknownNameError, match="unknown option of openai 'timeuot'; did you mean 'timeout'"):
        load_summarizer("openai:m", timeuot=1)


def test_a_damaged_answer_on_disk_is_asked_for_again(load):
    first = load().summarize(CAPTIONS, 1)
    (kept,) = load().cache.folder.iterdir()
    kept.write_text("{")
    with pytest.raises(ModelError, match="an answer is not kept"):
        load(replay=True).summarize(CAPTIONS, 1)
    assert load().summarize(CAPTIONS, 1) == first
    assert json.loads(kept.read_text().splitlines()[-1])[1]["answer"]


def test_captions_are_brought_to_phrases_with_one_question_each(server, load):
    server.say((200, 'Phrase: "red cube."'), (200, "snow"))
    assert load().simplify(["there is a red cube", "a photo of snow"]) == ["red cube", "snow"]
    asked = [body["messages"][0]["content"] for _, _, body in server.asked]
    assert [text.splitlines()[-2] for text in asked] == [
        "Caption: there is a red cube",
        "Caption: a photo of snow",
    ]


def test_a_key_for_openai_goes_nowhere_else(server, load, tmp_path):
    load(key_from=None).summarize(CAPTIONS, 1)
    file = tmp_path / "key.txt"
    file.write_text("sk-of-this-server\n")
    load(key_from=str(file)).summarize(["other"], 1)
    assert [headers.get("Authorization") for _, headers, _ in server.asked] == [
        None,
        "Bearer sk-of-this-server",
    ]
    server.say((401, {"error": "who?"}))
    with pytest.raises(ModelError, match=r"no key was sent; key_from \(--key-from\) names"):
        load(key_from=None).summarize(["third"], 1)


def test_what_holds_a_key_must_be_there(server, load, tmp_path):
    (tmp_path / "empty").write_text("")
    os.mkfifo(tmp_path / "pipe")
    files = [str(tmp_path / name) for name in ("none", "empty", "pipe")]
    for source in ("NO_SUCH_VARIABLE", *files, "sk-typed-in"):
        with pytest.raises(InvalidValueError) as caught:
            load(key_from=source).summarize(CAPTIONS, 1)
        assert str(caught.value).startswith("key_from")
        assert "sk-typed-in" not in str(caught.value)
    assert server.asked == []


def test_another_server_or_revision_behind_one_name_is_another_answer(server, load):
    assert load().summarize(CAPTIONS, 1) == ["red things"]
    server.say((200, "snow"))
    assert load(revision="2").summarize(CAPTIONS, 1) == ["snow"]
    other = f"{server.url}/other"
    server.say((200, "stripes"))
    found = load_summarizer(f"openai:small@{other}", folder=load().cache.folder)
    assert found.summarize(CAPTIONS, 1) == ["stripes"]
    assert load().summarize(CAPTIONS, 1) == ["red things"]


@pytest.mark.parametrize(
    "said", ["I'm sorry, but I can't help with that.", "None", "<think>Well", '{"descriptions": []}']
)
def test_what_is_no_answer_is_not_kept_and_a_replay_goes_on(server, load, said):
    server.say((200, said), (200, "red things"))
    assert load().summarize(CAPTIONS, 1) == []
    assert load(replay=True).summarize(CAPTIONS, 1) == []
    assert not (load().cache.folder / "chat.jsonl").exists()
    assert load().summarize(CAPTIONS, 1) == ["red things"]
    assert load(replay=True).summarize(CAPTIONS, 1) == ["red things"]


def test_fresh_asks_again_and_keeps_the_new_answer(server, load):
    assert load().summarize(CAPTIONS, 1) == ["red things"]
    server.say((200, "snow"))
    fresh = load(fresh=True)
    assert fresh.summarize(CAPTIONS, 1) == fresh.summarize(CAPTIONS, 1) == ["snow"]
    assert load().summarize(CAPTIONS, 1) == ["snow"]
    assert len(server.asked) == 2
    with pytest.raises(InvalidValueError, match="give one of the two"):
        load(fresh=True, replay=True)


def test_a_form_is_asked_for_and_done_without_where_the_server_knows_none(server, load):
    server.say(
        (400, {"error": {"message": "response_format is not supported"}}), (200, "red things"), (200, "snow")
    )
    summarizer = load()
    assert summarizer.summarize(CAPTIONS, 1) == ["red things"]
    assert summarizer.summarize(["other"], 1) == ["snow"]
    forms = [body.get("response_format", {}).get("type") for _, _, body in server.asked]
    assert forms == ["json_schema", None, None]
    assert load().summarize(CAPTIONS, 1) == ["red things"]
    load(json_schema=False).summarize(CAPTIONS, 1)
    assert "response_format" not in server.asked[-1][2]
    assert len(server.asked) == 4


def chat(**choice) -> dict:
    return {"choices": [choice]}


ANSWERED = {
    "parts": chat(
        message={"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "red things"}]}
    ),
    "output parts": chat(message={"content": [{"type": "output_text", "text": "red things"}]}),
    "plain parts": chat(message={"content": ["red ", "things"]}),
    "completion": chat(text="red things"),
    "thoughts beside": chat(message={"reasoning_content": "snow?", "content": "red things"}),
    "cut off": chat(message={"content": "red things\nblue sph"}, finish_reason="length"),
    "filtered but there": chat(message={"content": "red things"}, finish_reason="content_filter"),
    "stream": b'data: {"choices":[{"delta":{"content":"red "}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"things"}}]}\n\n'
    b"data: [DONE]\n",
}


@pytest.mark.parametrize("shape", ANSWERED)
def test_the_text_is_used_where_there_is_one(server, load, shape):
    server.say((200, ANSWERED[shape]))
    assert load().summarize(CAPTIONS, 4) == ["red things"]
    assert len(server.asked) == 1


FAILED = {
    "error": (
        {"error": {"message": "model 'small' not found", "code": 404}},
        "answered with an error: model 'small' not",
    ),
    "error text": ({"error": "no such model"}, "answered with an error: no such model"),
    "vllm": ({"object": "error", "message": "too long a prompt", "code": 400}, "an error: too long a prompt"),
    "detail": ({"detail": [{"msg": "field required"}]}, "an error: field required"),
    "choice": (chat(error={"message": "provider gave up", "code": 403}), "an error: provider gave up"),
    "quota": (
        {"error": {"message": "You exceeded your current quota", "code": 429}},
        "You exceeded your current quota",
    ),
    "refusal": (chat(message={"content": None, "refusal": "I will not."}), "refused to answer: I will not."),
    "refusal part": (
        chat(message={"content": [{"type": "refusal", "refusal": "No way."}]}),
        "refused to answer: No way.",
    ),
    "filter": (
        chat(message={"content": None}, finish_reason="content_filter"),
        r"held its answer back \(content_filter\)",
    ),
    "length": (
        chat(message={"content": ""}, finish_reason="length"),
        "most tokens of an answer .*--max-tokens",
    ),
    "page": (
        b"<!DOCTYPE html><html><title>Open WebUI</title></html>",
        r"a web page, where JSON is due \(Open WebUI\)",
    ),
}


@pytest.mark.parametrize("shape", FAILED)
def test_an_error_behind_status_200_is_said_in_the_servers_words_once(server, load, shape):
    said, message = FAILED[shape]
    server.say((200, said))
    with pytest.raises(ModelError, match=message):
        load().summarize(CAPTIONS, 1)
    assert len(server.asked) == 1
    assert not load().cache.folder.exists()


AZURE = {"error": {"message": "The response was filtered.", "code": "content_filter", "status": 400}}


@pytest.mark.parametrize(
    "said", [(200, FAILED[name][0]) for name in ("refusal", "refusal part", "filter", "length")]
    + [(400, AZURE), (200, AZURE)],
)  # fmt: skip
def test_what_is_kept_back_is_no_answer_and_no_failure_of_the_endpoint(server, load, said):
    server.say(said)
    with pytest.raises(NoAnswerError):
        load().summarize(CAPTIONS, 1)
    assert load().simplify(["a large red cube"]) == ["a large red cube"]
    assert len(server.asked) == 2


def test_an_error_that_passes_is_tried_again_and_a_quota_is_not(server, load):
    server.say((200, {"error": {"message": "Rate limit reached", "type": "rate_limit"}}), (200, "red things"))
    assert load().summarize(CAPTIONS, 1) == ["red things"]
    quota = {"error": {"message": "You exceeded your current quota.", "type": "insufficient_quota"}}
    server.say((429, quota, {"retry-after": "0.01"}))
    with pytest.raises(ModelError, match=r"status 429 .You exceeded your current quota"):
        load().summarize(["other"], 1)
    assert len(server.asked) == 3


def test_slips_in_a_url_get_a_hint(server, load):
    bare = server.url.removesuffix("/v1")
    server.say((404, {"error": "not found"}))
    with pytest.raises(ModelError, match=rf"mostly ends in /v1: {bare}/v1$"):
        load_summarizer(f"openai:m@{bare}").summarize(CAPTIONS, 1)


@pytest.fixture
def endless():
    """A server that drips: headers, or a body without an end, slowly or as fast as it can."""
    found = []

    def serve(first: bytes, again: bytes, pause: float) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        ended = threading.Event()

        def run():
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(first)
                    while not ended.is_set():
                        connection.sendall(again)
                        time.sleep(pause)
            except OSError:
                pass  # the client has given up

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        found.append((listener, ended, thread))
        return f"openai:m@http://127.0.0.1:{listener.getsockname()[1]}/v1"

    yield serve
    for listener, ended, thread in found:
        ended.set()
        listener.close()
        thread.join(5)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("first", "again"), [(HEAD + b"\r\n{", b" "), (b"HTTP/1.1 200 OK\r\nX: ", b"x")], ids=["body", "head"]
)
def test_a_server_that_drips_is_given_up_by_the_clock(endless, first, again):
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"no answer within 0.5 seconds$"):
        load_summarizer(endless(first, again, 0.05), timeout=0.5, retries=0).summarize(CAPTIONS, 1)
    assert time.monotonic() - start < 5


def test_an_answer_without_an_end_is_given_up_by_its_size(endless):
    with pytest.raises(
        ModelError, match=r"/v1/chat/completions sent more than 4 MB for an answer, and was given up$"
    ):
        load_summarizer(endless(HEAD + b"\r\n", b"x" * 65536, 0.0), timeout=30).summarize(CAPTIONS, 1)


def test_it_is_asked_within_a_loop_that_runs_already(server, load):
    async def notebook():
        return load().summarize(CAPTIONS, 1)

    assert asyncio.run(notebook()) == ["red things"]


def test_parameters_have_names_of_their_own(server, load):
    load(temperature=0.9, max_tokens=50).summarize(CAPTIONS, 1)
    load(parameters={"top_p": 0.5}, max_tokens=7).summarize(CAPTIONS, 1)
    bodies = [body for _, _, body in server.asked]
    assert (bodies[0]["temperature"], bodies[0]["max_tokens"], bodies[0]["seed"]) == (0.9, 50, 0)
    assert (bodies[1]["top_p"], bodies[1]["max_tokens"], "seed" in bodies[1]) == (0.5, 7, False)
    for wrong in ({"temperature": -1}, {"max_tokens": 0}):
        with pytest.raises(InvalidValueError, match="allowed are numbers from"):
            load(**wrong)
