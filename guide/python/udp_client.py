"""UDP client, one message and its answer: section 1 (scripts/udp_client.ts).

A lost datagram shows only as silence. So the client sends again, waits longer each
time, and gives up. The server may see a message twice: that must do no harm.
"""
import argparse, signal, socket, sys

def ask(host, port, message):
    """Sends a message, again after 1 s and 3 s, and waits 5 s in all for the answer."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, kind, _, _, server = found[0]
    with socket.socket(family, kind) as client:
        # No connection: the kernel now drops what others than the server send, and
        # reports, where it can (ICMP), that nobody listens on that port.
        client.connect(server)
        for seconds in (1, 2, 2):
            client.send(message.encode())  # A datagram goes as a whole, or not at all.
            client.settimeout(seconds)
            try:
                # Room for the longest datagram: what does not fit would be lost.
                return client.recv(65535).decode()
            except TimeoutError:
                continue  # Lost, on the way there or back.
    raise TimeoutError("aucune réponse : le serveur est-il lancé ?")

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
    answer = ask(args.host, args.port, message)
    print("".join(filter(str.isprintable, answer)))  # No escapes to the screen.

if __name__ == "__main__":
    try:
        main()
    except ConnectionRefusedError as error:
        sys.exit(f"ConnectionRefusedError: {error} : lancez d'abord le serveur")
    except (OSError, ValueError, OverflowError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
