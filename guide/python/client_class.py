"""TCP client as a class: section 3, beside scripts/client_class.ts."""
import argparse, contextlib, datetime, signal, socket, sys

MAX_LINE = 64 * 1024  # The longest message in bytes, its "\n" included.

class ClientSocket(contextlib.AbstractContextManager):  # It can be used in `with`.
    """Whole messages, no wait without a limit, closed at the end of the `with`."""

    def __init__(self, host, port, seconds=60):
        self.conn = socket.create_connection((host, port), timeout=5)
        self.conn.settimeout(seconds)  # For one wait: connecting had but 5 s.
        self.reader = self.conn.makefile("rb")  # Keeps what one recv brought too much.
        self.incoming = messages(self.reader)  # Once it has failed, it is over.

    def send(self, message):
        data = message.encode() + b"\n"
        if data.count(b"\n") > 1 or data.endswith(b"\r\n") or len(data) > MAX_LINE:
            raise ValueError(f"plusieurs lignes, ou plus de {MAX_LINE // 1024} Kio")
        self.conn.sendall(data)  # `send` may take a part only.

    def receive(self):
        """Waits for the next message. None: the server has ended."""
        return next(self.incoming, None)

    def __exit__(self, *error):
        self.reader.close()
        self.conn.close()

def messages(reader):
    for line in iter(lambda: reader.readline(MAX_LINE), b""):  # Until the stream ends.
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            raise ValueError(f"plus de {MAX_LINE // 1024} Kio")
        yield line.removesuffix(b"\n").removesuffix(b"\r").decode()

def main():
    parser = argparse.ArgumentParser()
    parser.error = sys.exit  # Wrong usage is one line on stderr, as all trouble is.
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=50000)
    args = parser.parse_args()
    if args.port not in range(65536):  # For 70000, getaddrinfo takes 4464.
        sys.exit("--port : 0 à 65535")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback.
    with ClientSocket(args.host, args.port) as client:
        print(f"Connecté au serveur : {args.host}, port {args.port}")
        now = datetime.datetime.now()
        client.send(f"Bonjour du client TCP, {now:%d/%m/%Y %H:%M:%S}")
        answer = client.receive()
        if answer is None:
            raise EOFError("aucune réponse")
        print("".join(filter(str.isprintable, answer)))  # No escapes to the screen.
    print("Connexion fermée")

if __name__ == "__main__":
    try:
        main()
    except ConnectionRefusedError as error:
        sys.exit(f"ConnectionRefusedError: {error} : lancez d'abord le serveur")
    except (OSError, EOFError, ValueError, OverflowError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
