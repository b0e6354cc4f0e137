"""asyncio in its quick form: a Protocol, called with the bytes of each read.

asyncio turns Nagle off by itself.
"""

import asyncio

ANSWER = "Message reçu\n".encode()
MAX_LINE = 64 * 1024


class Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.rest = b""
        self.ended = False

    def pause_writing(self) -> None:
        # It does not read its answers: no more of its messages until it does.
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return  # After FIN it is only read to its end.
        whole, newline, self.rest = (self.rest + data).rpartition(b"\n")
        if len(self.rest) > MAX_LINE:
            self.transport.abort()
        elif newline:
            # One decode for all the lines: for each of them, it would cost more.
            self.answer(whole.decode().split("\n"))

    def eof_received(self) -> None:
        if self.rest and not self.ended:
            self.answer([self.rest.decode()])

    def answer(self, messages: list[str]) -> None:
        count = len(messages)
        # The length first, because nearly no message is that short.
        for place, message in enumerate(messages, 1):
            if len(message) < 5 and message.strip().upper() == "FIN":
                count = place
                self.ended = True
                break
        self.transport.write(ANSWER * count)
        if self.ended:
            self.transport.write_eof()


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=4096)
    print("127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
