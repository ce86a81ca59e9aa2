import signal
import subprocess
import sys
import urllib.request

from vital.describing.run_folder import write_labels
from vital.records import Description
from vital.reporting import write_site
from vital.units import Unit

LOADING = "vital: loading PyTorch …\n"
"""What is said where that takes longer than a second."""
SERVED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
from vital.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_folder_that_is_no_site_is_one_sentence(vital, here):
    (here / "empty").mkdir()
    done = vital("serve", "empty")
    said = "vital: 'empty' is no site; write one first: vital report RUN --site empty\n"
    assert (done.code, done.err) == (2, said)


def test_a_site_is_served_until_control_c(here):
    write_labels(here / "run" / "labels.csv", [Description(Unit("fc", 3), "dnd", "a cat", 0.5)])
    write_site(here / "site", here / "run")
    words = [sys.executable, "-u", "-c", SERVED, "serve", "site", "--port", "0"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=here
    ) as started:
        line = started.stdout.readline()
        address = line.partition(" ")[0]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address) as answer:  # noqa: S310 (the address of this machine)
            assert b"1</b> unit" in answer.read()
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=60)
    assert (started.returncode, said.replace(LOADING, "")) == (0, "")
