"""Reaching a Ray cluster, with one sentence within seconds where there is none."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vital.backends._loading import package
from vital.errors import InvalidValueError, RunError, first_line

ANSWER_SECONDS = 5.0
"""How long an address may take to answer."""
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client of gRPC begins, which is what Ray speaks: the preface of HTTP/2, and a frame of no settings."""
SETTINGS = 4
"""The kind of frame that a server of HTTP/2 answers with."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Names of this machine, for which Ray takes the address that others see: it must answer there too."""


def package_ray() -> Any:
    """Import Ray. Raises `MissingDependencyError`, which names the extra."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault(
        "RAY_gcs_server_request_timeout_seconds", "20"
    )  # else it looks for a node for a minute
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a change to come
    return package("ray", "ray", "ray", "runs of the engine ray")


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to the cluster at an address, or to one of this machine that ends with the block.

    Where Ray is connected already, it stays as it is. Raises `RunError` where no Ray answers.
    """
    ray, address = package_ray(), address or os.environ.get("RAY_ADDRESS")
    if ray.is_initialized():
        yield ray
        return
    where = "on this machine" if address in (None, "auto") else f"at {address}"
    none = RunError(
        f"no Ray answers {where}; start one there with `ray start --head`, or leave out --address for this machine"
    )
    if address and not _answers(address):
        raise none
    how: dict[str, Any] = (
        {"address": address} if address else {"address": "local", "include_dashboard": False}
    )
    try:
        with warnings.catch_warnings(action="ignore"):
            ray.init(**how, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except ConnectionError as error:
        raise none from error
    except Exception as error:
        raise RunError(
            f"Ray {where} cannot be used: {first_line(error)}; run this on a node of the cluster, with the same "
            "versions of Ray and Python"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _answers(address: str) -> bool:
    """Whether something at an address speaks as Ray does; "auto", which stands for this machine's, is Ray's to find.

    Raises `InvalidValueError` for what is no address.
    """
    if address in ("auto", "local") or os.environ.get("RAY_USE_TLS") == "1":
        return True
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 2**16):
        raise InvalidValueError(f"address is {address!r}; write HOST:PORT, such as 10.0.0.1:6379, or auto")
    host = host.strip("[]")
    places = [host, package_ray().util.get_node_ip_address()] if host in LOOPBACK else [host]
    return all(_greets(place, int(port)) for place in places)


def _greets(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=ANSWER_SECONDS) as line:
            line.sendall(GREETING)
            with line.makefile("rb") as answer:
                return answer.read(9)[3:4] == bytes([SETTINGS])
    except OSError:
        return False
