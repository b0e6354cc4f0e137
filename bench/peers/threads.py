"""Python's usual server: one thread for each client, recv and split.

All the answers to a read leave in one write, without Nagle's wait. `--naive` is how
such a server is often written first: a write for each answer, and Nagle as it is.
"""

import socket
import sys
import threading

from messages import ANSWER, take

NAIVE = "--naive" in sys.argv


def handle(conn: socket.socket) -> None:
    with conn:
        try:
            if not NAIVE:
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            rest, ended = b"", False
            while not ended:
                lines, rest, ended = take(rest, conn.recv(65536))
                if NAIVE:
                    for _ in lines:
                        conn.sendall(ANSWER)
                elif lines:
                    conn.sendall(ANSWER * len(lines))
            conn.shutdown(socket.SHUT_WR)
            # To close with bytes unread would reset the connection, answers and all.
            while conn.recv(65536):
                pass
        except (OSError, ValueError):
            pass  # Lost, or not UTF-8: that client only.


with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
    print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=handle, args=(client,), daemon=True).start()
