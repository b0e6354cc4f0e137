"""asyncio in its quick form: a Protocol, called with the bytes of each read.

asyncio turns Nagle off by itself.
"""

import asyncio

ANSWER = "Message reçu\n".encode()


class Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.rest = b""

    def pause_writing(self) -> None:
        # It does not read its answers: no more of its messages until it does.
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        whole, newline, self.rest = (self.rest + data).rpartition(b"\n")
        if newline:
            # One decode for all the lines: for each of them, it would cost more.
            messages = whole.decode().split("\n")
            self.transport.write(ANSWER * len(messages))


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=4096)
    print("127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
