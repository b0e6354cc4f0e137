"""TCP client with a prompt: section 4', beside scripts/multithread_client.ts."""
import argparse, select, signal, socket, sys

MAX_LINE = 64 * 1024  # The longest message in bytes, its "\n" included.
KEYBOARD = open(0, "rb", buffering=0)  # Unbuffered: select sees all that is typed.

def converse(conn):
    """A line, its answer, the next line. The server may also speak unasked."""
    with conn.makefile("rb", buffering=0) as reader:  # Or select misses lines.
        incoming, line = messages(reader), b""
        while line.strip().upper() != b"FIN":
            if sys.stdin.isatty():
                print(">> ", end="", flush=True)
            # Waits for either of them. (On Windows, it cannot watch a keyboard.)
            ready, _, _ = select.select([conn, KEYBOARD], [], [])
            if conn not in ready:
                line = KEYBOARD.readline()
                if not line:  # The end of the input.
                    return
                conn.sendall(line.rstrip(b"\r\n") + b"\n")  # `send` may take a part.
            answer = next(incoming, None)
            if answer is None:
                raise EOFError("le serveur est parti")
            print("".join(filter(str.isprintable, answer)))  # Without escapes.

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
    sys.stdout.reconfigure(line_buffering=True, errors="replace")  # Also in a file.
    # Some hosts never answer: 5 s are enough to connect. `with` closes in any case.
    with socket.create_connection((args.host, args.port), timeout=5) as conn:
        conn.settimeout(60)  # For one wait.
        print("Connecté au serveur\nTapez FIN pour terminer la conversation")
        converse(conn)
    print("Connexion fermée")

if __name__ == "__main__":
    try:
        main()
    except ConnectionRefusedError as error:
        sys.exit(f"ConnectionRefusedError: {error} : lancez d'abord le serveur")
    except (OSError, EOFError, ValueError, OverflowError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
