"""SharedPort: a port that several processes of one server listen on, and nobody else."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class SharedPort:
    """Keeps a port for sockets with SO_REUSEPORT, among which the kernel shares out connections. Use it with ``with``.

    What is bound here never listens, and so gets no connection. It keeps the port while no process listens, and others
    away: who shares the port by accident would get some of the connections. Another group tries the port without
    SO_REUSEPORT first, and finds it taken where one listens. Before that, one group alone can have the
    name of it.
    """

    def __init__(self, host: str, port: int) -> None:
        """Prepare for a host ("localhost" may have several addresses) and a port, 0 for a free one."""
        self._host = host
        self._sockets = ExitStack()
        self.port = port

    def __enter__(self) -> SharedPort:
        """Take the port. Raises OSError where another process has it."""
        found = socket.getaddrinfo(self._host.strip("[]"), self.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys((family, address[0]) for family, _, _, _, address in found))
        with self._sockets:
            for family, address in addresses:
                self._take(family, str(address))
            self._sockets = self._sockets.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        self._sockets.close()

    def _take(self, family: int, address: str) -> None:
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            # As gRPC does: connections of an earlier server that are not over yet keep nobody off.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind((address, self.port))
            self.port = alone.getsockname()[1]
        # Of the kernel's own names, which a port's network has too, and which go with their socket.
        name = self._sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        name.bind(f"\0runward {address} {self.port}")
        kept = self._sockets.enter_context(socket.socket(family, socket.SOCK_STREAM))
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind((address, self.port))
        # From here on it shares with its own kind alone; else a server alone could listen while none of the group does.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
