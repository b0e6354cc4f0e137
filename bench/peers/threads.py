"""Python's usual server: one thread for each client, recv and split.

All the answers to a read leave in one write, without Nagle's wait.
"""

import socket
import threading

ANSWER = "Message reçu\n".encode()
MAX_LINE = 64 * 1024


def handle(conn: socket.socket) -> None:
    with conn:
        try:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            converse(conn)
            conn.shutdown(socket.SHUT_WR)
            # To close with bytes unread would reset the connection, answers and all.
            while conn.recv(65536):
                pass
        except (OSError, ValueError):
            pass  # Lost, or not UTF-8: that client only.


def converse(conn: socket.socket) -> None:
    rest = b""
    while data := conn.recv(65536):
        whole, newline, rest = (rest + data).rpartition(b"\n")
        if len(rest) > MAX_LINE:
            return
        if not newline:
            continue
        messages = whole.decode().split("\n")
        for place, message in enumerate(messages, 1):
            if len(message) < 5 and message.strip().upper() == "FIN":
                return conn.sendall(ANSWER * place)
        conn.sendall(ANSWER * len(messages))
    if rest:
        conn.sendall(ANSWER)  # What is left at the end is the last message.


with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
    print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=handle, args=(client,), daemon=True).start()
