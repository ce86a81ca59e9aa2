"""Which endpoint a text names: exactly what it says, or nothing."""

import pytest

from vital.backends.endpoint_address import OPENAI, check_key, is_this_machine, read_key, read_spec
from vital.errors import InvalidValueError

READ = {
    "gpt-9": ("gpt-9", OPENAI),
    "ft:gpt-9:me::id": ("ft:gpt-9:me::id", OPENAI),
    "m@http://localhost:11434/v1": ("m", "http://localhost:11434/v1"),
    "m@HTTPS://Example.ORG/v1/": ("m", "https://example.org/v1"),
    "m@Http://h": ("m", "http://h"),
    "org/m@2:7b@http://h:1/v1//": ("org/m@2:7b", "http://h:1/v1"),
    "m@http://[::1]:8000/v1": ("m", "http://[::1]:8000/v1"),
    "m@https://h/openai/deployments/m@1/v1": ("m", "https://h/openai/deployments/m@1/v1"),
    "llama3:8b@http://10.0.0.1/v1": ("llama3:8b", "http://10.0.0.1/v1"),
}

REFUSED = [
    "", "@http://h/v1", "m@", "m@localhost:11434/v1", "m@localhost", "m@//h/v1", "m@h", "m@1.2.3.4:80/v1", "m@ftp://h/v1",
    "m@http:/h/v1", "m@http//h/v1", "m@http:h/v1", "m@https://", "m@http:///v1", "m@http://h h/v1", "m @http://h/v1",
    " m@http://h/v1", "m@http://h/v1\n", "m@ht\ttp://h/v1", "m@http://h/v1?api-version=1", "m@http://h/v1?", "m@http://h/v1#a",
    "m@http://u:sk-hidden@h/v1",
    "m@http://sk-hidden@h/v1", "m@http://h:port/v1", "m@http://h:99999/v1", "m@http://h:/v1",
    "m@http://h:0/v1", "m@http://::1/v1", "m@http://[::1/v1", "m@http://[1.2.3.4]/v1", "m@http://[zz::1]/v1", "m@http://-h/v1",
    "m@http://h\\@e/v1",
    "m@http://h/v1/chat/completions", "m@http://h/v1/chat/completions/", "http://localhost:11434/v1",
    "https://h/v1/m",
    "localhost:11434", "localhost", "llama3/8b", "10.0.0.1", "[::1]:8000", "m@http://h..e/v1",
    "m@javascript:alert(1)", "m@2", "llama3:8b", "gpt-oss:latest", "m@https://h/V1/Chat/Completions",
    "m@http://localhost:11434/api/generate", "m@http://[v1.a:b]/v1", "m@http://a[::1]/v1", "m@http://[::1]a/v1",
]  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_a_model_and_a_url_are_read(text):
    assert read_spec(text) == READ[text]


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_read_is_refused_unseen_and_never_goes_outside(text):
    with pytest.raises(InvalidValueError) as caught:
        read_spec(text)
    assert "sk-hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_azure_gets_a_hint():
    with pytest.raises(InvalidValueError, match=r"of Azure it is https://NAME.openai.azure.com/openai/v1"):
        read_spec("m@https://me.openai.azure.com/openai/deployments/m?api-version=2024-02-01")


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "example.org", "localhost.evil.org", "127.0.0.1.evil.org", "2130706433"]
)
def test_a_key_goes_over_plain_http_only_where_it_is_allowed_by_name(host):
    url = f"http://{host}/v1"
    with pytest.raises(InvalidValueError, match=rf"a key would go to {host} over plain http"):
        check_key(url, "MY_KEY", None)
    with pytest.raises(InvalidValueError, match="over plain http"):
        check_key(url, "MY_KEY", "other")
    check_key(url, "MY_KEY", host)
    check_key(url, None, None)
    check_key(url.replace("http:", "https:"), "MY_KEY", None)
    assert not is_this_machine(host)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "a.localhost"]
)
def test_this_machine_is_known(host):
    assert is_this_machine(host)


def test_openais_key_is_for_openai_alone(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a")
    assert read_key(OPENAI, None) == "sk-a"
    for url in (
        "http://localhost:1/v1",
        "https://api.openai.com.evil.org/v1",
        "https://h/api.openai.com/v1",
        "http://api.openai.com/v1",
    ):
        assert read_key(url, None) == ""
