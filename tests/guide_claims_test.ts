/**
 * The guide says only what is so: its error messages are provoked here, and what
 * it says of Deno and of Python is tried.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import net from "node:net";
import { write } from "../scripts/encoding.ts";
import { EN, FR, says } from "./guide_text.ts";
import { bytes, Program, python, testWith } from "./harness.ts";

const HERE = { hostname: "127.0.0.1" };
const BYTE = new Uint8Array(1);

// The error messages

/** Runs code with these flags and no more, nor what deno.json turns on. */
async function evaluate(
  code: string,
  flags: string[] = ["--allow-net"],
  options: { through?: string[]; descriptors?: number } = {},
): Promise<{ code: number; out: string; err: string }> {
  const [command, ...args] = [
    ...options.through ?? [],
    ...[Deno.execPath(), "run", "--no-config", "--no-prompt", ...flags],
    "data:text/javascript," + encodeURIComponent(code),
  ];
  await using child = new Program(command, args, options);
  return await child.end();
}

/** Throws what the code throws in a program of its own. */
async function fails(...[code, ...how]: Parameters<typeof evaluate>) {
  const told = `try { ${code} } catch ({ name, message, code }) {
    console.log(JSON.stringify({ name, message, code }));
  }`;
  throw JSON.parse((await evaluate(told, ...how)).out);
}

/** A TCP connection's two ends, and the listener that accepted the second. */
async function pair() {
  const listener = Deno.listen({ ...HERE, port: 0 });
  const [one, other] = await Promise.all([
    Deno.connect({ ...HERE, port: listener.addr.port }),
    listener.accept(),
  ]);
  const ends = [one, other, listener];
  const close = () => ends.forEach((end) => end[Symbol.dispose]());
  return { listener, one, other, [Symbol.dispose]: close };
}

/** Connects, and returns what resets the connection. */
async function rude({ port, hostname }: Deno.NetAddr) {
  const socket = net.connect(port, hostname);
  await new Promise((resolve) => socket.on("connect", resolve));
  return () =>
    new Promise((resolve) => socket.on("close", resolve).resetAndDestroy());
}

/** What takes from root the right to listen below 1024. */
const DROP = Deno.uid() === 0
  ? ["setpriv", "--bounding-set=-net_bind_service"]
  : [];

/** Whether this system asks for a right to listen on port 80, and refuses it. */
function refuses80(): boolean {
  const first = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
  if (+Deno.readTextFileSync(first) <= 80) return false;
  const args = ["-c", [...DROP, "true"].join(" ")];
  return new Deno.Command("sh", { args }).outputSync().success;
}

/** How to get each error of "Questions par message d'erreur", in its order. */
const PROVOCATIONS: [name: string, provoke: () => unknown][] = [
  ["AddrInUse", () => {
    using listener = Deno.listen({ ...HERE, port: 0 });
    Deno.listen({ ...HERE, port: listener.addr.port });
  }],
  ["AddrNotAvailable", () => Deno.listen({ hostname: "192.0.2.1", port: 0 })],
  ["BadResource", async () => {
    using ends = await pair();
    const waiting = ends.listener.accept();
    ends.listener.close();
    const { message } = await waiting.catch((error) => error);
    assertEquals(message, "Listener has been closed");
    ends.one.close();
    ends.one.close();
  }],
  ["BrokenPipe", async () => {
    using ends = await pair();
    ends.other.close();
    assertEquals(await ends.one.write(BYTE), 1, "the first one succeeds");
    for (let i = 0; i < 100; i++) await ends.one.write(BYTE);
  }],
  ["Busy", async () => {
    using ends = await pair();
    const waiting = ends.listener.accept();
    const error = await ends.listener.accept().catch((error) => error);
    ends.listener.close();
    await waiting.catch(() => {});
    throw error;
  }],
  ["ConnectionRefused", async () => {
    const listener = Deno.listen({ ...HERE, port: 0 });
    listener.close();
    await Deno.connect({ ...HERE, port: listener.addr.port });
  }],
  ["ConnectionReset", async () => {
    using listener = Deno.listen({ ...HERE, port: 0 });
    const reset = await rude(listener.addr);
    using conn = await listener.accept();
    await reset();
    await conn.read(BYTE);
  }],
  ["EMFILE", () => {
    const endless = "const all = []; while (true) all.push(" +
      'Deno.listen({ hostname: "127.0.0.1", port: 0 }))';
    return fails(endless, ["--allow-net"], { descriptors: 60 });
  }],
  ["EMSGSIZE", async () => {
    const socket = Deno.listenDatagram({ ...HERE, port: 0, transport: "udp" });
    using _ = { [Symbol.dispose]: () => socket.close() };
    const send = (size: number) =>
      socket.send(new Uint8Array(size), socket.addr);
    assertEquals(await send(65507), 65507);
    await send(65508);
  }],
  ["failed to lookup address information", () => {
    const connect =
      'await Deno.connect({ hostname: "nulle.part.invalid", port: 1 })';
    // A machine without a network would ask for ten seconds and more.
    const through = ["env", "RES_OPTIONS=timeout:1 attempts:1"];
    return fails(connect, ["--allow-net"], { through });
  }],
  ["Interrupted", async () => {
    using ends = await pair();
    const reading = ends.one.read(BYTE);
    const writing = write(ends.other, new Uint8Array(20e6));
    ends.other.close();
    assertEquals(await writing.catch(({ name }) => name), "Interrupted");
    ends.one.close();
    await reading;
  }],
  ["NotCapable", () => fails("Deno.listen({ port: 0 })", [])],
  ["NotConnected", async () => {
    using listener = Deno.listen({ ...HERE, port: 0 });
    const reset = await rude(listener.addr);
    await reset();
    for await (const conn of listener) conn.close(); // Stops there.
  }],
  ["PermissionDenied", () => {
    const listen = 'Deno.listen({ hostname: "127.0.0.1", port: 80 })';
    return fails(listen, ["--allow-net"], { through: DROP });
  }],
  ["TimeoutError", async () => {
    // As silent as an address where nobody is: a listener whose queue is full.
    using listener = Deno.listen({ ...HERE, port: 0, tcpBacklog: 5 });
    const { port } = listener.addr;
    await using queue = new AsyncDisposableStack();
    for (let count = 0; count < 10; count++) {
      const signal = AbortSignal.timeout(2000);
      const connected = Deno.connect({ ...HERE, port, signal });
      await connected.catch(() => assertEquals(count, 6, "Linux keeps six"));
      queue.use(await connected);
    }
  }],
  ["TypeError", () => fails("Deno.listenDatagram({})")],
  ["TypeError", () => {
    const exact = new TextDecoder("utf-8", { fatal: true });
    exact.decode(bytes("é").slice(0, 1));
  }],
];

Deno.test({
  name: "The guide's error messages are those of Deno, in both editions",
  ignore: Deno.build.os !== "linux", // The numbers are Linux's.
  async fn(t) {
    const headings = (guide: string) =>
      [...guide.matchAll(/^### `(.*?)`(?: ?: (.*))?$/gm)]
        .map(([, name, message = ""]) => [name, message]);
    assertEquals(headings(EN), headings(FR));
    assertEquals(
      headings(FR).map(([name]) => name),
      PROVOCATIONS.map(([n]) => n),
    );
    for (const [i, [name, provoke]] of PROVOCATIONS.entries()) {
      const [, message] = headings(FR)[i];
      await t.step({
        name: `${name}: ${message}`,
        ignore: name === "PermissionDenied" && !refuses80(),
        async fn() {
          const error = await new Promise((done) => done(provoke()))
            .then(() => assert(false, "no error"), (error) => error);
          const known = [error.name, error.code, error.message.split(":")[0]];
          assert(known.includes(name), `${error.name}: ${error.message}`);
          assertStringIncludes(error.message, message);
        },
      });
    }
  },
});

// What the guide says of Deno

Deno.test("Without --unstable-net, reusePort ends a program with the code that the guide says", async () => {
  const [, said] = FR.match(/programme sur-le-champ,\s+avec le code (\d+)/)!;
  const listen = "Deno.listen({ port: 0, reusePort: true })";
  const { code, out } = await evaluate(`try { ${listen} } catch {
    console.log("caught");
  }`);
  assertEquals([code, out], [Number(said), ""]);
});

testWith(
  "ss",
  "Without tcpBacklog, a queue is as long as the guide says",
  async () => {
    const [, said] = FR.match(/sans `tcpBacklog`, (\d+)/)!;
    using listener = Deno.listen({ ...HERE, port: 0 });
    const { port } = listener.addr;
    await using ss = new Program("ss", ["-Hltn", `sport = :${port}`]);
    assertMatch((await ss.end()).out, RegExp(`^LISTEN +0 +${said} `));
  },
);

// What the guide says of Python

/**
 * What the course writes, or the guide says of it; Python code, where § is that
 * line; and a part of what comes of it.
 */
const PYTHON = String.raw`
## client_socket, address = s.accept()
§
=> NameError: name 's'

## print("Connexion avec "+address+" reussie")
address = ("127.0.0.1", 54321)
§
=> TypeError: can only concatenate str

## client,infoClient = serveur.accept()
serveur = socket.create_server(("127.0.0.1", 0))
pair = socket.create_connection(serveur.getsockname())
§
print("Client connecté, adresse : "+infosClient[0])
=> NameError: name 'infosClient'

## socket.socket(socket.AF_NET,socket.SOCK_STREAM)
§
=> AttributeError: .*AF_NET

## message.encode("uft-8")
message = "Bonjour"
§
=> LookupError: unknown encoding: uft-8

## str(datetime.now())
§
=> NameError: name 'datetime'

## "port "+adresse[1]
adresse = ("127.0.0.1", 54321)
§
=> TypeError: can only concatenate str

## if message_client("utf-8").upper() == "FIN"
§
    pass
=> SyntaxError

## if message_client("utf-8").upper() == "FIN"
message_client = b"FIN"
§: pass
=> TypeError: 'bytes' object is not callable

## mySocekt.close()
mySocket = socket.socket()
§
=> NameError: name 'mySocekt'

## threading.Thread(None, compteur, None, ("Thread A"),{})
def compteur(leThread): pass
§.start()
=> TypeError: compteur\(\) takes 1 positional argument but 8 were given

## threadsClient.append
threadsClients = []
§(None)
=> NameError: name 'threadsClient'

## threading.Threading
§
=> AttributeError: .*Threading

## adresseIp = infoClient[0]
def instanceServeur (client, infosClient):
    §
    print("Instance de serveur prêt pour "+adresseIP)
infoClient = ("127.0.0.1", 54321) # As in the main program.
instanceServeur(None, infoClient)
=> NameError: name 'adresseIP'

## while message.upper() != "FIN"
message = ""
§
    break
=> SyntaxError

## reponse.decode(utf-8)
reponse = b"Bonjour"
§
=> NameError: name 'utf'

## requete = client.recv(255)
client, pair = connection()
pair.sendall(b"a" * 300)
§
print(len(requete))
client.recv(255)
pair.sendall(b"un")
pair.sendall(b"deux")
§
print(requete)
=> ^255\nb'undeux'\n

## print(requete.decode('utf-8'))
client, pair = connection()
pair.sendall(("a" * 254 + "é").encode())
requete = client.recv(255)
§
=> UnicodeDecodeError: .* position 254: unexpected end of data

## client.send(reponse.encode('utf-8'))
client, pair = connection()
reponse = "a" * 20_000_000
print(0 < § < len(reponse))
=> ^True\n

## serveur.bind(('',50000))
serveur = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
§
host, port = serveur.getsockname()
print(host, socket.socket().connect_ex(("127.0.0.1", port)) != 0)
=> ^0\.0\.0\.0 True\n

## client,infoClient = serveur.accept()
serveur = socket.create_server(("127.0.0.1", 0))
def serve():
    while True:
        §
        client.recv(255)
        client.sendall(b"Bonjour")
        client.close()
threading.Thread(target=serve, daemon=True).start()
two_clients(serveur.getsockname())
=> ^bloqué\nb'Bonjour'\n

## with socketserver.TCPServer(("",PORT),Handler) as httpd
import http.server, socketserver
PORT, Handler = 0, http.server.SimpleHTTPRequestHandler
print(socketserver.TCPServer.allow_reuse_address)
§:
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    two_clients(httpd.server_address)
    httpd.shutdown()
=> ^False\nbloqué\nb'HTTP/1.0 200 OK

## if message_serveur.decode("utf-8").upper() == 'FIN'
mySocket, pair = connection()
said = iter(["FIN"])
def input(prompt):
    print(prompt)
    return next(said)
def server():
    pair.sendall("Vous êtes connecté".encode())
    if pair.recv(1024) == b"FIN":
        pair.sendall(b"Au revoir")
        pair.close()
threading.Thread(target=server).start()
message_serveur = mySocket.recv(1024)
while 1:
    §:
        break
    print('Server>> ',message_serveur.decode("utf-8"))
    message_client = input("Client >> ")
    mySocket.send(message_client.encode("utf-8"))
    message_serveur = mySocket.recv(1024)
=> connecté\nClient >> \nServer>>  Au revoir\nClient >> \n[^]*StopIteration

## message=client.recv(255).decode('utf-8')
client, pair = connection()
pair.shutdown(socket.SHUT_WR)
for turn in range(1000):
    §
    assert message == ""
    client.send("Message recu".encode("utf-8"))
print("sans fin")
=> ^sans fin\n

## while message.upper() != "FIN"
client, pair = connection()
pair.sendall(b"FIN\n") # As nc does.
message=client.recv(255).decode('utf-8')
§:
    print("jamais égal")
    break
=> ^jamais égal\n
`;

const CLAIMS = [...PYTHON.matchAll(/^## (.*?)\n(.*?)^=> (.*?)$/gms)]
  .map(([, line, code, result]) => ({ line, code, result }));

const PRELUDE = String.raw`
def connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname(), 10)
        other, address = listener.accept()
    other.settimeout(10)
    return one, other

def two_clients(address):
    "A silent one, and one that is not served until the first has gone."
    silent = socket.create_connection(address)
    other = socket.create_connection(address, 0.5)
    other.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
    try:
        other.recv(255)
    except socket.timeout:
        print("bloqué")
    silent.close()
    other.settimeout(10)
    print(other.recv(255))
`;

for (const { line, code, result } of CLAIMS) {
  testWith(
    "python3",
    `Python shows what the guide says of: ${line}`,
    async () => {
      says(line);
      const real = code.replaceAll("§", line)
        // A free port, and no other machines.
        .replace("50000", "0").replace('("",PORT)', '("127.0.0.1",PORT)');
      await using program = python(PRELUDE + real);
      const { out, err, code: exit } = await program.end();
      assertMatch(`${out}${err}code ${exit}`, RegExp(result));
    },
  );
}

Deno.test("The guide's table of lines that do not run has none that is not tried here", () => {
  const [, , table] = FR.split("## Ce que le cours avait de faux")[1]
    .split(/^### /m);
  const cells = [...table.matchAll(/^\| `(.*?) *\|/gm)].map(([, cell]) => cell);
  assertEquals(cells.length, 14);
  for (const cell of cells) {
    assert(CLAIMS.some(({ line }) => cell.includes(line)), cell);
  }
});
