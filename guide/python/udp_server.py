"""UDP server: section 1, DGRAM beside STREAM (scripts/udp_server.ts).

A datagram is a whole message, without connection or stream. It may be lost, doubled
or overtaken, and its sender may be forged. Where each message counts, take TCP.
"""
import argparse, signal, socket, sys

ANSWER = "Bonjour, je suis le serveur"
REFUSAL = "Message refusé : ce n'est pas de l'UTF-8"

def serve(server):
    while True:
        # Room for the longest datagram: what does not fit would be lost in silence.
        try:
            data, sender = server.recvfrom(65535)
        except ConnectionResetError:  # On Windows: an earlier answer reached nobody.
            continue
        answer = ANSWER
        try:
            message = data.decode()
        except UnicodeDecodeError:
            message, answer = data.decode(errors="replace"), REFUSAL
        text = "".join(filter(str.isprintable, message))  # No escapes to the screen.
        print("Message reçu de %s:%d :" % sender, text)
        # A forged sender may be a server like this one: they would talk for ever.
        if message in (ANSWER, REFUSAL):
            continue
        try:
            server.sendto(answer.encode(), sender)
        except OSError as error:  # Such as port 0. It does not concern the next one.
            print(f"Réponse perdue : {error}", file=sys.stderr)

def main():
    parser = argparse.ArgumentParser()
    parser.error = sys.exit  # Wrong usage is one line on stderr, as all trouble is.
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=50000)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # The same as Ctrl-C.
    sys.stdout.reconfigure(line_buffering=True, errors="replace")  # Also in a file.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((args.host, args.port))
        print("Serveur prêt, en attente de requêtes sur %s:%d" % server.getsockname())
        serve(server)

if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("Serveur arrêté")
    except (OSError, ValueError, OverflowError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
