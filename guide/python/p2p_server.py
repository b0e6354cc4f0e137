"""TCP chat, the side that listens: section 5, beside scripts/p2p_server.ts."""
import argparse, select, signal, socket, sys

MAX_LINE = 64 * 1024  # The longest message in bytes, its "\n" included.
KEYBOARD = open(0, "rb", buffering=0)  # Unbuffered: select sees all that is typed.
WELCOME = "Vous êtes connecté au serveur, envoyez vos messages\n"

def chat(conn):
    """Both sides may speak at any time: `select` says which of them has."""
    inputs, data = [conn, KEYBOARD], b""  # (On Windows, it cannot watch a keyboard.)
    limit = None  # Seconds: once all is said, the other side has three to end.
    while ready := select.select(inputs, [], [], limit)[0]:
        if KEYBOARD in ready:
            line = KEYBOARD.readline()
            conn.sendall(line)  # `send` may take a part only.
            if not line or line.strip().upper() == b"FIN":
                conn.shutdown(socket.SHUT_WR)  # All is said; but the client may answer.
                inputs, limit = [conn], 3
        if conn in ready:
            part = conn.recv(MAX_LINE - len(data))
            if not part and not data:  # It has left: goodbye, unless all is said.
                return limit or conn.sendall(b"Au revoir\n")
            *lines, data = (data + (part or b"\n")).split(b"\n")  # Its end ends a line.
            if len(data) == MAX_LINE:
                raise ValueError(f"plus de {MAX_LINE // 1024} Kio")
            for line in lines:
                text = line.removesuffix(b"\r").decode()
                print("Client >>", "".join(filter(str.isprintable, text)))
                if text.strip().upper() == "FIN":
                    return limit or conn.sendall(b"Au revoir\n")

def main():
    parser = argparse.ArgumentParser()
    parser.error = sys.exit  # Wrong usage is one line on stderr, as all trouble is.
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=50000)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # The same as Ctrl-C.
    sys.stdout.reconfigure(line_buffering=True, errors="replace")  # Also in a file.
    listener = socket.create_server((args.host, args.port))
    print("Serveur prêt, en attente de requêtes sur %s:%d" % listener.getsockname())
    while True:
        conn, _ = listener.accept()
        try:
            with conn:  # Closes it on every way out.
                print("Client connecté, adresse %s:%d" % conn.getpeername())
                conn.settimeout(10)  # For a client that does not read.
                conn.sendall(WELCOME.encode())
                chat(conn)
        except (OSError, ValueError) as error:  # The next client is served.
            print(f"Client perdu : {error}", file=sys.stderr)
        print("CONNEXION INTERROMPUE")

if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("Serveur arrêté")
    except (OSError, ValueError, OverflowError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
