"""TCP server, one client at a time: section 2, beside scripts/server_simple.ts.

Listen, accept, recv, sendall, close, accept the next one. Meanwhile the others wait.
"""
import argparse, contextlib, signal, socket, sys, time

MAX_LINE = 64 * 1024  # The longest message in bytes, its "\n" included.

def serve(listener):
    while True:
        conn, _ = listener.accept()
        try:
            print("Client connecté, adresse %s:%d" % conn.getpeername())
            message, answer = receive(conn, 30), "Bonjour, je suis le serveur"
        except (OSError, ValueError) as error:  # It is gone, slow, or no message.
            message = answer = f"Conversation interrompue : {error}"
        # No escapes to the screen.
        print("".join(filter(str.isprintable, message)) or "(message vide)")
        with conn, contextlib.suppress(OSError):  # Closes it, even if it is gone.
            conn.settimeout(1)
            conn.sendall(f"{answer}\n".encode())  # `send` may take a part only.
            # Closing with bytes unread sends a reset, which can destroy the answer.
            # So it reads on, for a second.
            conn.shutdown(socket.SHUT_WR)
            end = time.monotonic() + 1
            while time.monotonic() < end and conn.recv(MAX_LINE):
                pass
        print("Connexion fermée")

def receive(conn, seconds):
    """Waits for a message: a line of UTF-8, or what is left when the stream ends."""
    data, end = b"", time.monotonic() + seconds
    while b"\n" not in data:
        # What is left of the time: a byte now and then does not prolong it.
        conn.settimeout(max(0.001, end - time.monotonic()))
        data += conn.recv(MAX_LINE - len(data)) or b"\n"
    if len(data) > MAX_LINE:
        raise ValueError(f"plus de {MAX_LINE // 1024} Kio")
    return data.partition(b"\n")[0].removesuffix(b"\r").decode()

def main():
    parser = argparse.ArgumentParser()
    parser.error = sys.exit  # Wrong usage is one line on stderr, as all trouble is.
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=50000)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # The same as Ctrl-C.
    sys.stdout.reconfigure(line_buffering=True, errors="replace")  # Also in a file.
    with socket.create_server((args.host, args.port), backlog=5) as listener:
        print("Serveur prêt, en attente de requêtes sur %s:%d" % listener.getsockname())
        serve(listener)

if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("Serveur arrêté")
    except (OSError, ValueError, OverflowError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
