"""Web server for the files of a folder: section 4, beside scripts/web_server.ts.

http.server speaks HTTP and sends files; what is left is to decide what may be seen.
"""
import argparse, http.server, os, re, signal, sys, threading
HIDDEN = re.compile(r"\.(?!well-known$)")
class Handler(http.server.SimpleHTTPRequestHandler):
    timeout = 30  # Seconds for a client that says nothing, or does not read.

    def send_head(self):
        # A page elsewhere may give its own name our address (DNS rebinding).
        host = self.headers["Host"] or "localhost"
        known = re.fullmatch(r"(localhost|127\.[\d.]+)(:\d+)?", host)
        if not known and self.server.server_address[0].startswith("127."):
            return self.send_error(421, "Ce serveur a un autre nom")
        try:
            path = os.path.realpath(self.translate_path(self.path))  # Follows links.
            if os.path.isdir(path):
                path = os.path.realpath(os.path.join(path, "index.html"))
            parts = os.path.relpath(path, self.directory).split(os.sep)
        except ValueError:  # A NUL in the path.
            return self.send_error(400, "Requête mal formée")
        # What lies outside begins with `..`. (Lists of folders would show hidden names.)
        if any(map(HIDDEN.match, parts)) or not os.path.isfile(path):
            return self.send_error(404, "Introuvable")
        return super().send_head()

    def end_headers(self):
        self.send_header("X-Content-Type-Options", "nosniff")  # Text is never HTML.
        self.send_header("Cache-Control", "no-cache")  # Shows a changed file at once.
        super().end_headers()

class Server(http.server.ThreadingHTTPServer):
    def verify_request(self, *_):
        return threading.active_count() <= 200  # A thread for each costs memory.

    def handle_error(self, *_):
        print(f"Client perdu : {sys.exc_info()[1]}", file=sys.stderr)  # No traceback.

def main():
    parser = argparse.ArgumentParser()
    parser.error = sys.exit  # Wrong usage is one line on stderr, as all trouble is.
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8088)
    parser.add_argument("--root", default=".")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # The same as Ctrl-C.
    os.chdir(os.path.realpath(args.root))  # http.server serves the current folder.
    with Server((args.host, args.port), Handler) as server:
        where = "http://%s:%d/ (dossier %s)" % (*server.server_address, os.getcwd())
        print("Serveur prêt, en attente de requêtes sur", where, flush=True)
        server.serve_forever()

if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("Serveur arrêté")
    except (OSError, ValueError, OverflowError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
