"""Python's usual server: one thread for each client, recv and split.

All the answers to a read leave in one write, without Nagle's wait.
"""

import socket
import threading

ANSWER = "Message reçu\n".encode()


def handle(conn: socket.socket) -> None:
    with conn:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        rest = b""
        while data := conn.recv(65536):
            whole, newline, rest = (rest + data).rpartition(b"\n")
            if newline:
                messages = whole.decode().split("\n")
                conn.sendall(ANSWER * len(messages))


with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
    print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=handle, args=(client,), daemon=True).start()
