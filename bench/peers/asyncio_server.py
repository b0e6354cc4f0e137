"""asyncio in its quick form: a Protocol, called with the bytes of each read.

asyncio turns Nagle off by itself.
"""

import asyncio

from messages import ANSWER, take


class Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.rest = b""
        self.ended = False

    def pause_writing(self) -> None:
        # It does not read its answers: no more of its messages until it does.
        if not self.ended:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.ended:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        # After FIN it is only read to its end: to close with bytes unread would
        # reset the connection, answers and all.
        if not self.ended:
            self.answer(data)

    def eof_received(self) -> bool:
        if not self.ended:
            self.answer(b"")
        return False  # Close, when all the answers are out.

    def answer(self, data: bytes) -> None:
        try:
            lines, self.rest, self.ended = take(self.rest, data)
        except ValueError:
            return self.transport.abort()
        if lines:
            self.transport.write(ANSWER * len(lines))
        if self.ended:
            self.transport.write_eof()


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=4096)
    print("127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
