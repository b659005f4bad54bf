"""Read a request's whole body before the application sees it, then replay it: what ASGI middlewares with limits share."""

from starlette.types import Message, Receive


class BodyTooLarge(Exception):
    """The body has more bytes than the limit, declared or not."""


class ClientDisconnected(Exception):
    """The client closed the connection before its body was complete."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises BodyTooLarge as soon as it has more than `limit` bytes, or ClientDisconnected."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        body += message.get("body", b"")
        if len(body) > limit:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return bytes(body)


def replay_body(body: bytes, receive: Receive) -> Receive:
    """A `receive` that returns the body once, and then what the connection says next, such as that the client left."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed
