"""The address that a server listens on, and why it may not."""

from __future__ import annotations

import ipaddress


class ListenError(Exception):
    """The address cannot be listened on; the message tells why and what to do."""


def check_address(listen: str) -> str:
    """The host and port of an address that no other machine reaches. Raises ListenError.

    Until callers are authenticated, everyone who reaches the port may do everything.
    """
    if listen.startswith("unix:"):
        return listen
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ListenError(f"{listen!r} is not HOST:PORT, such as 127.0.0.1:50051")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ListenError(
            f"{host!r} is no loopback address; without authentication the server listens on loopback alone"
        )
    return listen
