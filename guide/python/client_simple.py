"""TCP client, one message and its answer: section 2, beside scripts/client_simple.ts.

Connect, sendall, recv, close. The course takes what one recv brings for the answer.
"""
import argparse, signal, socket, sys, time

MAX_LINE = 64 * 1024  # The longest message in bytes, its "\n" included.

def ask(conn, message):
    """Sends a message, and waits for an answer."""
    data = message.encode() + b"\n"
    if data.count(b"\n") > 1 or data.endswith(b"\r\n") or len(data) > MAX_LINE:
        raise ValueError(f"plusieurs lignes, ou plus de {MAX_LINE // 1024} Kio")
    conn.sendall(data)  # `send` may take a part only.
    return receive(conn, 60)

def receive(conn, seconds):
    """Waits for a message: a line of UTF-8, or what is left when the stream ends."""
    data, end = b"", time.monotonic() + seconds
    while b"\n" not in data:
        # What is left of the time: a byte now and then does not prolong it.
        conn.settimeout(max(0.001, end - time.monotonic()))
        part = conn.recv(MAX_LINE - len(data))
        if not part and not data:
            raise EOFError("aucune réponse")
        data += part or b"\n"
    if len(data) > MAX_LINE:
        raise ValueError(f"plus de {MAX_LINE // 1024} Kio")
    return data.partition(b"\n")[0].removesuffix(b"\r").decode()

def main():
    parser = argparse.ArgumentParser()
    parser.error = sys.exit  # Wrong usage is one line on stderr, as all trouble is.
    parser.add_argument("message", nargs="*")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=50000)
    args = parser.parse_args()
    if args.port not in range(65536):  # For 70000, getaddrinfo takes 4464.
        sys.exit("--port : 0 à 65535")
    message = " ".join(args.message) or "Bonjour, je suis le client"
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback.
    # Some hosts never answer: 5 s are enough to connect. `with` closes in any case.
    with socket.create_connection((args.host, args.port), timeout=5) as conn:
        print("Connecté au serveur")
        answer = ask(conn, message)
        print("".join(filter(str.isprintable, answer)))  # No escapes to the screen.
    print("Connexion fermée")

if __name__ == "__main__":
    try:
        main()
    except ConnectionRefusedError as error:
        sys.exit(f"ConnectionRefusedError: {error} : lancez d'abord le serveur")
    except (OSError, EOFError, ValueError, OverflowError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
