/**
 * What each script is. The tests of all scripts of a kind are made from this list:
 * whoever enters a script has it tested, and one that is not entered fails.
 */

/** A promise that a script may be excused from, with a reason. */
export type Promised =
  | "others are served beside a client"
  | "a scene in the demo";

/** A peer from the course, in Python, in tests/peers/: a script talks to it with `--raw`. */
export interface CoursePeer {
  file: string;
  /** What it is told; PORT stands for the port. A server takes port 0. */
  args: string[];
  /** What the client shows before anything is typed, lest two messages become one. */
  greeting?: string;
  /** Typed at the client, then at the server once that was shown there. */
  typed?: [atClient: string, atServer?: string];
  /** What the peer prints in the end, and what the script does. */
  peerShows: RegExp;
  scriptShows: RegExp;
}

/** What is the same for every script. */
interface Common {
  /** Lines, at most, of the whole file. */
  lines: number;
  /** Permissions and the like, in the order of its header. */
  flags: string[];
  /** The first line it prints; a server's names its address. */
  first: RegExp;
  /** Arguments that the tests add to the address. */
  args?: string[];
  /** It reads a keyboard: its last lines when that ends, its exit code at Ctrl-C. */
  keyboard?: { last: string; interrupted: number };
  except?: Partial<Record<Promised, string>>;
}

/** A script that listens; one that talks TCP says how. */
export type Server =
  & Common
  & { kind: "server" }
  & (
    | { transport: "tcp"; tcp: TcpServer }
    | { transport: "udp" | "http" | "relay"; tcp?: undefined }
  );

/** What a server says over TCP, and shows. */
interface TcpServer {
  /** Logged when it has accepted a client, before the client's address. */
  accepted: string;
  /** How many clients may wait to be accepted, where it says so. */
  backlog?: number;
  /** Said to each client before anything is heard of it. */
  welcome: string;
  /** All that is said, after the welcome, to who says these messages and ends. */
  answer: (messages: string[]) => string;
  /** Said, after the welcome, when the server stops. */
  farewell: string;
  /** How a message of a client looks on stdout. */
  shows: (message: string) => string;
  course: CoursePeer[];
}

/** A script that connects, or sends; one that talks TCP says how. */
export type Client =
  & Common
  & {
    kind: "client";
    /** The server that it talks to. */
    partner: string;
  }
  & (
    | { transport: "tcp"; tcp: TcpClient }
    | { transport: "udp"; tcp?: undefined }
  );

/** What a client says over TCP, and shows. */
interface TcpClient {
  /** What a conversation takes: typed, one after the other. */
  typed: string[];
  /** What the server hears of it first, if nothing is typed. */
  asks?: RegExp;
  /** How a message of the server looks on stdout. */
  shows: (message: string) => string;
  /** Exit code when the server ends the conversation without a word. */
  unanswered: 0 | 1;
  /** All it prints of a conversation with its partner, after its first line. */
  whole: string;
  course: CoursePeer;
}

/** A script that plays alone. */
export interface Demo extends Common {
  kind: "demo";
}

/** What is preloaded, with the script in its header's command. */
export interface Preload extends Common {
  kind: "preload";
}

export type Script = Server | Client | Demo | Preload;

const HELLO = "Bonjour, je suis le serveur";
const WELCOME = "Vous êtes connecté au serveur, envoyez vos messages";
const OVER = "CONNEXION INTERROMPUE\n";
const NET = ["--allow-net"];
const UDP = ["--unstable-net", "--allow-net"];
const READY = /^Serveur prêt, en attente de requêtes sur /;
const TOOL = { "a scene in the demo": "it is for all sections, and none" };
/** What both clients of server_simple do. */
const ASKS_ONCE: TcpClient = {
  typed: [],
  shows: (message) => `\n${message}\n`,
  unanswered: 1,
  whole: `${HELLO}\nConnexion fermée\n`,
  course: {
    file: "server_simple.py",
    args: ["0"],
    peerShows: /^Bonjour.* client.*\nConnexion fermée\n/m,
    scriptShows: RegExp(`\n${HELLO}\nConnexion fermée\n$`),
  },
};

/** All of scripts/, but for encoding.ts. */
export const scripts: Record<string, Script> = {
  async_demo: {
    kind: "demo",
    lines: 90,
    flags: [],
    first: /^Synchrone : /,
  },
  threads_demo: {
    kind: "demo",
    lines: 140,
    flags: ["--allow-read"],
    first: /^Thread [AB] : 0\n/,
  },
  udp_server: {
    kind: "server",
    transport: "udp",
    lines: 90,
    flags: UDP,
    first: READY,
  },
  udp_client: {
    kind: "client",
    transport: "udp",
    partner: "udp_server",
    lines: 110,
    flags: UDP,
    first: RegExp(`^${HELLO}\n`),
  },
  server_simple: {
    kind: "server",
    transport: "tcp",
    lines: 100,
    flags: NET,
    first: READY,
    tcp: {
      accepted: "Client connecté, adresse ",
      backlog: 5, // The course's.
      welcome: "",
      answer: () => HELLO + "\n",
      farewell: "Le serveur s'arrête\n",
      shows: (message) => `\n${message}\nConnexion fermée\n`,
      course: ["client_simple.py", "client_class.py"].map((file) => ({
        file,
        args: ["PORT"],
        peerShows: RegExp(`\n${HELLO}\nConnexion fermée\n$`),
        scriptShows: /^Bonjour.* client/m,
      })),
    },
  },
  client_simple: {
    kind: "client",
    transport: "tcp",
    partner: "server_simple",
    lines: 85,
    flags: NET,
    first: /^Connecté au serveur\n/,
    tcp: { ...ASKS_ONCE, asks: /^Bonjour, je suis le client\n$/ },
  },
  client_class: {
    kind: "client",
    transport: "tcp",
    partner: "server_simple",
    lines: 130,
    flags: NET,
    first: /^Connecté au serveur : 127\.0\.0\.1, port \d+\n/,
    tcp: {
      ...ASKS_ONCE,
      asks: /^Bonjour du client TCP, \d\d\/\d\d\/20\d\d \d\d:\d\d:\d\d\n$/,
    },
  },
  web_server: {
    kind: "server",
    transport: "http",
    lines: 150,
    flags: ["--allow-net", "--allow-read"],
    first: READY,
  },
  p2p_server: {
    kind: "server",
    transport: "tcp",
    lines: 180,
    flags: NET,
    first: READY,
    keyboard: { last: `${OVER}Serveur arrêté\n`, interrupted: 0 },
    except: {
      "others are served beside a client":
        "a chat is with one client at a time; the next one waits",
    },
    tcp: {
      accepted: "Client connecté, adresse ",
      welcome: WELCOME + "\n",
      answer: () => "Au revoir\n",
      farewell: "FIN\n",
      shows: (message) => `Client >> ${message}\n`,
      course: [{
        file: "p2p_client.py",
        args: ["127.0.0.1", "PORT"],
        typed: ["bonjour\n", "fin\n"],
        peerShows: /\nClient >> Connexion interrompue\n$/,
        scriptShows: /Client >> bonjour\nCONNEXION INTERROMPUE\n/,
      }],
    },
  },
  p2p_client: {
    kind: "client",
    transport: "tcp",
    partner: "p2p_server",
    lines: 160,
    flags: NET,
    first: /^CONNEXION ÉTABLIE AVEC LE SERVEUR\n/,
    keyboard: { last: OVER, interrupted: 0 },
    tcp: {
      typed: ["bonjour\n", "FIN\n"],
      shows: (message) => `Serveur >> ${message}\n`,
      unanswered: 0,
      whole: `Serveur >> ${WELCOME}\nServeur >> Au revoir\n` +
        "CONNEXION INTERROMPUE\n",
      course: {
        file: "p2p_server.py",
        args: ["127.0.0.1", "0"],
        greeting: "Vous êtes connecté",
        typed: ["bonjour\n", "fin\n"],
        peerShows: /Clientbonjour\n/,
        scriptShows: /\nServeur >> fin\n(.*\n)*CONNEXION INTERROMPUE\n$/,
      },
    },
  },
  multithread_server: {
    kind: "server",
    transport: "tcp",
    lines: 200,
    flags: ["--unstable-net", "--allow-net", "--allow-read"],
    first: READY,
    args: ["--threads", "2"],
    tcp: {
      accepted: "Instance de serveur prête pour ",
      backlog: 4096,
      welcome: "",
      answer: (messages) => "Message reçu\n".repeat(messages.length),
      farewell: "Le serveur s'arrête\n",
      shows: (message) => ` : ${message}\n`,
      course: [{
        file: "multithread_client.py",
        args: ["127.0.0.1", "PORT"],
        typed: ["Ça va ?\nfin\n"],
        peerShows: /\n(>> Message reçu\n){2}Connexion fermée\n$/,
        scriptShows: / : Ça va \?\n[^]*Connexion fermée avec/,
      }],
    },
  },
  multithread_client: {
    kind: "client",
    transport: "tcp",
    partner: "multithread_server",
    lines: 130,
    flags: NET,
    first: /^Connecté au serveur\n/,
    keyboard: { last: "Connexion fermée\n", interrupted: 130 },
    tcp: {
      typed: ["bonjour\n", "FIN\n"],
      shows: (message) => `\n${message}\n`,
      unanswered: 1,
      whole: "Tapez FIN pour terminer la conversation\n" +
        "Message reçu\nMessage reçu\nConnexion fermée\n",
      course: {
        file: "multithread_server.py",
        args: ["127.0.0.1", "0"],
        typed: ["Ça va ?\nfin\n"],
        peerShows: / : Ça va \?\n(.*\n)*Connexion fermée avec/,
        scriptShows: /\n(Message recu\n){2}Connexion fermée\n$/,
      },
    },
  },
  trace: {
    kind: "preload",
    lines: 120,
    flags: [...NET, "--preload", "scripts/trace.ts"],
    first: READY,
    except: TOOL,
  },
  relay: {
    kind: "server",
    transport: "relay",
    lines: 160,
    flags: NET,
    first: /^Relais vers 127\.0\.0\.1:50000, en attente de clients sur /,
    except: TOOL,
  },
};

/** The scripts of a kind, and of a transport where one is named, with their names. */
export function all<Kind extends Script["kind"]>(
  kind: Kind,
  transport?: Server["transport"],
) {
  const ofKind = (script: Script): script is Extract<Script, { kind: Kind }> =>
    script.kind === kind &&
    (!transport || "transport" in script && script.transport === transport);
  return Object.entries(scripts).flatMap(([name, script]) =>
    ofKind(script) ? [{ ...script, name }] : []
  );
}
