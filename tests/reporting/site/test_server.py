import http.client
import threading

import pytest

from vital.errors import InvalidValueError, RunError
from vital.reporting.site import write_site
from vital.reporting.site.server import opened


def test_a_site_is_served_to_this_machine_alone(rich, tmp_path):
    site = write_site(tmp_path / "site", rich).path
    with opened(site) as server:
        assert server.server_address[0] == "127.0.0.1"
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def asked(path, host="127.0.0.1"):
            line = http.client.HTTPConnection("127.0.0.1", server.server_port)
            line.request("GET", path, headers={"Host": host})
            answer = line.getresponse()
            found = answer.status, answer.headers["Content-Type"], answer.read()
            line.close()
            return found

        assert asked("/units/conv/2/vital-0.webp")[:2] == (200, "image/webp")
        assert b"<html" in asked("/")[2]
        assert asked("/data/")[0] == 404
        assert asked("/", "evil.example")[0] == 403
        assert asked("/../run.json", "localhost:80")[0] == 404
        with pytest.raises(RunError, match=r"cannot open port \d+: .*; give another with --port"):
            opened(site, server.server_port)
        server.shutdown()


def test_what_is_no_site_is_not_served(rich):
    with pytest.raises(InvalidValueError, match="is no site; write one first: vital report RUN --site"):
        opened(rich)


def test_a_folder_inside_a_site_names_the_site(rich, tmp_path):
    write_site(tmp_path / "site", rich)
    with pytest.raises(InvalidValueError, match=r"units' is no site; did you mean '.*site'\?"):
        opened(tmp_path / "site" / "units")
