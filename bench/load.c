/*
 * The load: clients that speak, count and time the answers. One thread, epoll.
 *
 * Arguments are name=number; load.ts, for machines without cc, takes the same:
 *   port      where the server is, on 127.0.0.1
 *   clients   how many connections
 *   lines     messages in a block; 1 is lock-step
 *   split     1: each line of a block is a write of its own
 *   nodelay   1: without Nagle
 *   greedy    how many more clients never wait for an answer (nor are timed)
 *   get       bytes of a file to get over HTTP, from /file-BYTES, in place of lines
 *   warm, seconds   how long to run before, and while, it counts; 0 is one block each
 * Dialogue: "ready" when warm; begins when a line comes; one line of JSON; ends when
 * its input does, so that its CPU time can be read meanwhile. Answers are counted,
 * not looked into: a generator must be quicker than what it measures.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE "Je suis bien arrivé à la gare\n"
enum { LINE = sizeof MESSAGE - 1, ANSWER = 14, GREEDY_LINES = 2000, HEAD = 4096 };
_Static_assert(LINE == 32, "a message has 32 bytes");

static double port, clients = 1, lines = 1, split, nodelay, greedy, get = -1, warm,
    seconds = 1;
static const struct {
  const char *name;
  double *value;
} OPTIONS[] = {{"port", &port},       {"clients", &clients}, {"lines", &lines},
               {"split", &split},     {"nodelay", &nodelay}, {"greedy", &greedy},
               {"get", &get},         {"warm", &warm},       {"seconds", &seconds}};

struct client {
  int fd;
  bool greedy, waiting; /* waiting: for room to send. */
  size_t unsent;        /* Bytes of the block that are still to be sent. */
  long long owed;       /* Bytes of answers to come; HTTP: -1 before the headers' end. */
  uint64_t since;       /* When the block was begun, in ns. */
  size_t read;          /* Bytes of headers in `head`. */
  char *head;           /* HTTP only. */
};

/* Times, in buckets of 1/64 of a power of two ns: exact to 1.6 %, whatever the span. */
enum { BUCKETS = 64 * 40 };
static uint64_t histogram[BUCKETS], messages, greedy_messages, longest;
static char *block, room[1 << 18];
static size_t block_size;
static int poller, active;
static bool over;

static void die(const char *problem) {
  fprintf(stderr, "load: %s\n", problem);
  exit(1);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void note(uint64_t ns) {
  int shift = 57 - __builtin_clzll(ns | 64), index = shift * 64 + (int)(ns >> shift);
  histogram[index < BUCKETS ? index : BUCKETS - 1]++;
  if (ns > longest) longest = ns;
}

/* The time, in µs, that a share of all answers took at most. */
static double quantile(double share) {
  uint64_t total = 0, sum = 0;
  for (int i = 0; i < BUCKETS; i++) total += histogram[i];
  for (int i = 0; i < BUCKETS; i++) {
    sum += histogram[i];
    int shift = i < 128 ? 0 : i / 64 - 1;
    if (total > 0 && (double)sum >= share * (double)total)
      return ((double)(i - shift * 64) + 0.5) * (double)(1ull << shift) / 1000;
  }
  return 0;
}

static void watch(struct client *c, int how, bool waiting) {
  uint32_t events = c->greedy || waiting ? EPOLLIN | EPOLLOUT : EPOLLIN;
  struct epoll_event event = {events, {.ptr = c}};
  epoll_ctl(poller, how, c->fd, &event);
  c->waiting = waiting;
}

static void join(struct client *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int on = 1;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("no file descriptor is left (ulimit -n)");
  /* A connection that waits must not make the others wait: it ends in `push`. */
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
    die("cannot connect");
  if (nodelay) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  watch(c, EPOLL_CTL_ADD, false);
}

/* Sends what the kernel takes of the block. */
static void push(struct client *c) {
  while (c->unsent > 0) {
    size_t size = c->greedy ? GREEDY_LINES * LINE : block_size;
    ssize_t sent = send(c->fd, block + (size - c->unsent), split ? LINE : c->unsent,
                        MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) die("the server broke off");
    if (sent < 0) break;
    c->unsent -= (size_t)sent;
  }
  if (!c->greedy && c->waiting != (c->unsent > 0))
    watch(c, EPOLL_CTL_MOD, c->unsent > 0);
}

static void begin(struct client *c) {
  c->since = now();
  c->unsent = c->greedy ? GREEDY_LINES * LINE : block_size;
  if (c->greedy) c->owed += GREEDY_LINES * ANSWER, greedy_messages += GREEDY_LINES;
  else c->owed = get >= 0 ? -1 : (long long)lines * ANSWER;
  c->read = 0;
  push(c);
}

/* Reads a part of an HTTP answer; false if the connection must be opened anew. */
static bool receive_http(struct client *c) {
  bool headers = c->owed < 0;
  /* MSG_TRUNC: the kernel throws the body away, which nobody needs copied. */
  ssize_t got = headers ? recv(c->fd, c->head + c->read, HEAD - c->read, 0)
                        : recv(c->fd, NULL, (size_t)c->owed, MSG_TRUNC);
  if (got < 0 && errno == EAGAIN) return true;
  if (got <= 0 && (!headers || c->read > 0)) die("the server broke off");
  if (got <= 0) return false; /* It had closed after its last answer. */
  if (!headers) return (c->owed -= got), true;
  c->read += (size_t)got;
  char *end = memmem(c->head, c->read, "\r\n\r\n", 4);
  if (end == NULL && c->read == HEAD) die("the headers are too long");
  if (end == NULL) return true;
  end[2] = 0;
  char *length = strcasestr(c->head, "\r\nContent-Length:");
  if (strstr(c->head, " 200 ") == NULL || length == NULL || atoll(length + 17) != get)
    die("no 200, or not the length that was expected");
  c->owed = (long long)get - (long long)(c->read - (size_t)(end + 4 - c->head));
  return true;
}

static void receive(struct client *c) {
  bool open = true;
  if (get >= 0) {
    open = receive_http(c);
    bool done = open && c->owed == 0 && c->unsent == 0;
    /* HTTP/1.0, or a server that wants it so: a new connection for each request. */
    if (!open || (done && (strcasestr(c->head, "\r\nConnection: close") != NULL ||
                           strncmp(c->head, "HTTP/1.0", 8) == 0))) {
      close(c->fd);
      join(c);
    }
    if (!open) begin(c);
  } else {
    ssize_t got = recv(c->fd, room, sizeof room, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) die("the server broke off");
    c->owed -= got;
    if (c->owed < 0) die("more answers than messages");
  }
  if (c->owed != 0 || c->unsent > 0) return;
  if (!c->greedy) {
    note(now() - c->since);
    messages += get >= 0 ? 1 : (uint64_t)lines;
  }
  if (over) active--;
  else begin(c);
}

/* All clients speak for so long, and until the last answer is there. Returns s. */
static double run(struct client *all, int count, double duration) {
  memset(histogram, 0, sizeof histogram);
  messages = greedy_messages = longest = 0;
  uint64_t start = now(), end = start + (uint64_t)(duration * 1e9), time = start;
  struct epoll_event events[512];
  over = duration == 0;
  active = count;
  for (int i = 0; i < count; i++) begin(&all[i]);
  while (active > 0) {
    int ready = epoll_wait(poller, events, 512, 1000);
    time = now();
    over = over || time >= end;
    if (time > end + 20000000000u) die("the last answers did not come within 20 s");
    for (int i = 0; i < ready; i++) {
      struct client *c = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) push(c);
      if (c->greedy && c->unsent == 0 && !over) begin(c);
      if (events[i].events & ~(uint32_t)EPOLLOUT) receive(c);
    }
  }
  return (double)(now() - start) / 1e9;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    bool known = false;
    for (size_t k = 0; value && k < sizeof OPTIONS / sizeof *OPTIONS; k++) {
      if (strlen(OPTIONS[k].name) != (size_t)(value - argv[i])) continue;
      if (strncmp(OPTIONS[k].name, argv[i], (size_t)(value - argv[i]))) continue;
      *OPTIONS[k].value = atof(value + 1);
      known = true;
    }
    if (!known) die("an unknown argument");
  }
  int count = (int)(clients + greedy);
  size_t most = lines > GREEDY_LINES ? (size_t)lines : GREEDY_LINES;
  struct client *all = calloc((size_t)count, sizeof *all);
  block = malloc(most * LINE + 256);
  poller = epoll_create1(0);
  if (all == NULL || block == NULL) die("no memory");
  for (size_t i = 0; i < most; i++) memcpy(block + i * LINE, MESSAGE, LINE);
  block_size = (size_t)lines * LINE;
  if (get >= 0)
    block_size = (size_t)sprintf(
        block, "GET /file-%.0f HTTP/1.1\r\nHost: 127.0.0.1:%.0f\r\n\r\n", get, port);
  for (int i = 0; i < count; i++) {
    all[i].greedy = i >= (int)clients;
    if (get >= 0 && (all[i].head = malloc(HEAD + 1)) == NULL) die("no memory");
    join(&all[i]);
  }
  run(all, count, warm);
  puts("ready");
  fflush(stdout);
  if (getchar() == EOF) return 0;
  double took = run(all, count, seconds);
  printf("{\"messages\":%llu,\"greedy\":%llu,\"seconds\":%.6f,\"p50_us\":%.3f,"
         "\"p99_us\":%.3f,\"max_us\":%.3f}\n",
         (unsigned long long)messages, (unsigned long long)greedy_messages, took,
         quantile(0.5), quantile(0.99), (double)longest / 1000);
  fflush(stdout);
  while (getchar() != EOF) continue;
  return 0;
}
