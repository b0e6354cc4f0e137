/** What only p2p_client does; chat_test.ts and keyboards_test.ts have the rest. */
import { assertEquals } from "@std/assert";
import { atTerminal } from "./tmux.ts";

atTerminal(
  "p2p_client",
  "says in one line that the server is lost while a line is typed",
  async (terminal, server) => {
    await terminal.type("à moit");
    await terminal.shows("\nClient >> à moit");
    await server.reset();
    await terminal.shows(/LE SERVEUR\nConnectionReset: .*\n\$$/);
    assertEquals(await terminal.ended(), 1);
  },
);
