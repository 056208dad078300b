"""What the groups of calls share: the connection that they go through."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from runward.errors import RunwardError

if TYPE_CHECKING:
    import grpc.aio
    from google.protobuf.message import Message

    from runward.connection import Connection

_Request = TypeVar("_Request", bound="Message")
_Response = TypeVar("_Response")


class Caller:
    """Base of the groups of calls that make up a client."""

    _opened: Connection | None = None

    @property
    def _connection(self) -> Connection:
        if self._opened is None:
            raise RunwardError("this client is not open: use it in `async with runward.connect(...) as rw:`")
        return self._opened

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        name: str,
        deadline: float | None,
        *,
        replay: bool = False,
    ) -> _Response:
        """Make a call that is answered at once: without a deadline of its own it has the connection's. ``replay`` as
        for Connection.call.
        """
        connection = self._connection
        limit = connection.deadline if deadline is None else deadline
        return await connection.call(method, request, name=name, deadline=limit, replay=replay)
