"""TCP server, a thread for each client: section 4', beside multithread_server.ts."""
import argparse, contextlib, os, signal, socket, sys, threading, time
MAX_LINE = 64 * 1024  # The longest message in bytes, its "\n" included.

def serve(listener):
    while True:
        while threading.active_count() > 1000:  # A thread costs memory: others wait.
            time.sleep(0.05)
        try:
            conn, address = listener.accept()
            threading.Thread(target=talk, args=[conn, address], daemon=True).start()
        except (OSError, RuntimeError):  # No descriptor is left, or no thread.
            time.sleep(0.05)

def talk(conn, address):
    name, last_word = "%s:%d [%s]" % (*address, threading.current_thread().name), ""
    with conn, conn.makefile("rb") as reader, contextlib.suppress(OSError):
        print(f"Instance de serveur prête pour {name}\n", end="")  # In one write.
        try:
            conn.settimeout(300)  # For a client that is silent, or does not read.
            for message in messages(reader):
                text = "".join(filter(str.isprintable, message))  # Without escapes.
                print(f"Message reçu du client {name} : {text}\n", end="")
                conn.sendall("Message reçu\n".encode())  # `send` may take a part only.
                if message.strip().upper() == "FIN":
                    break
        except (OSError, ValueError) as error:  # It costs this client, and no other.
            last_word = f"Conversation interrompue : {error}\n"
        print(f"Connexion fermée avec {name} {last_word.strip()}\n", end="")
        conn.settimeout(1)
        conn.sendall(last_word.encode())
        conn.shutdown(socket.SHUT_WR)  # To close on unread bytes resets it all.
        all(conn.recv(MAX_LINE) for _ in range(100))  # So it reads on, 100 times at most.

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
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # The same as Ctrl-C.
    sys.stdout.reconfigure(line_buffering=True, errors="replace")  # Also in a file.
    with socket.create_server((args.host, args.port), backlog=1024) as listener:
        print("Serveur prêt, en attente de requêtes sur %s:%d" % listener.getsockname())
        serve(listener)

if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("Serveur arrêté")
        os._exit(0)  # The usual end can fail while a thread prints.
    except (OSError, ValueError, OverflowError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
