/*
 * The load: clients that speak, and count and time the answers. One thread, epoll.
 *
 * What it does stands in its environment:
 *   port      where the server is, on 127.0.0.1
 *   clients   how many connections
 *   lines     messages in a block; 1 is lock-step
 *   split     1: each line of a block is a write of its own
 *   greedy    how many more clients never wait for an answer; they are not timed
 *   warm, seconds   how long to run before, and while, it counts; 0 is one block each
 * It says "ready" when warm, begins when it is sent a line, says one line of JSON, and
 * ends with its input, so that its clients stay until then. Answers are counted, not
 * looked into: a generator must be quicker than what it measures.
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
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE "Je suis bien arrivé à la gare\n"
#define ANSWER "Message reçu\n"
enum { LINE = sizeof MESSAGE - 1, GREEDY_LINES = 2000, EVENTS = 512 };
static const int ANSWER_SIZE = sizeof ANSWER - 1;

static double port, clients, lines, split, greedy;

struct client {
  int fd;
  bool greedy;
  size_t unsent;     /* Bytes of the block that are still to be sent. */
  long long owed;    /* Bytes of answers that are still to come. */
  uint64_t since;    /* When the block was begun, in ns. */
  uint32_t answered; /* Messages, before the end of the run. */
};

static float *times; /* Of each block, in ms. */
static size_t blocks, room_for_blocks;
static uint64_t messages, greedy_messages;
static char *text, room[1 << 18];
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
  if (blocks == room_for_blocks) {
    room_for_blocks = 2 * room_for_blocks + 4096;
    times = realloc(times, room_for_blocks * sizeof *times);
    if (times == NULL) die("no memory");
  }
  times[blocks++] = (float)ns / 1e6f;
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static int fewest_first(const void *a, const void *b) {
  uint32_t x = ((const struct client *)a)->answered;
  uint32_t y = ((const struct client *)b)->answered;
  return (x > y) - (x < y);
}

static void join(struct client *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int on = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("no file descriptor is left (ulimit -n)");
  /* A connection that waits must not make the others wait: it ends in `push`. */
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
    die("cannot connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  /* Edge-triggered: an event when an answer, or room to send, has come. For a greedy
     client, level-triggered: an event whenever there is room. */
  uint32_t trigger = c->greedy ? 0 : EPOLLET;
  struct epoll_event event = {EPOLLIN | EPOLLOUT | trigger, {.ptr = c}};
  epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
}

/* Sends what the kernel takes of the block. */
static void push(struct client *c) {
  size_t size = (c->greedy ? GREEDY_LINES : (size_t)lines) * LINE;
  while (c->unsent > 0) {
    size_t count = split ? LINE : c->unsent;
    ssize_t sent = send(c->fd, text + size - c->unsent, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) die("the server broke off");
    c->unsent -= (size_t)sent;
  }
}

static void begin(struct client *c) {
  size_t count = c->greedy ? GREEDY_LINES : (size_t)lines;
  c->since = now();
  c->unsent = count * LINE;
  c->owed += (long long)count * ANSWER_SIZE;
  if (c->greedy) greedy_messages += count;
  push(c);
}

/* Reads all the answers that have come. */
static void receive(struct client *c) {
  ssize_t got;
  while ((got = recv(c->fd, room, sizeof room, 0)) > 0) c->owed -= got;
  if (got == 0 || errno != EAGAIN) die("the server broke off");
  if (c->owed < 0) die("more answers than messages");
}

static void serve(struct client *c, uint64_t time) {
  push(c);
  long long before = c->owed;
  receive(c);
  bool done = c->owed == 0 && before > 0 && c->unsent == 0;
  if (done && !c->greedy) {
    note(time - c->since);
    messages += (uint64_t)lines;
    if (!over) c->answered += (uint32_t)lines;
  }
  if (done && over) active--;
  else if (!over && (done || (c->greedy && c->unsent == 0))) begin(c);
}

/* All clients speak for so long, and until the last answer is there. Returns s. */
static double run(struct client *all, int count, double duration) {
  uint64_t start = now(), end = start + (uint64_t)(duration * 1e9);
  struct epoll_event events[EVENTS];
  messages = greedy_messages = blocks = 0;
  over = duration == 0;
  active = count;
  for (int i = 0; i < count; i++) {
    all[i].answered = 0;
    begin(&all[i]);
  }
  while (active > 0) {
    int ready = epoll_wait(poller, events, EVENTS, 1000);
    uint64_t time = now();
    over = over || time >= end;
    if (time > end + 20000000000u) die("the last answers did not come within 20 s");
    for (int i = 0; i < ready; i++) serve(events[i].data.ptr, now());
  }
  return (double)(now() - start) / 1e9;
}

static double option(const char *name, double otherwise) {
  const char *value = getenv(name);
  return value ? atof(value) : otherwise;
}

int main(void) {
  port = option("port", 0);
  clients = option("clients", 1);
  lines = option("lines", 1);
  split = option("split", 0);
  greedy = option("greedy", 0);
  int polite = (int)clients, count = polite + (int)greedy;
  size_t longest = lines > GREEDY_LINES ? (size_t)lines : GREEDY_LINES;
  struct client *all = calloc((size_t)count, sizeof *all);
  text = malloc(longest * LINE);
  poller = epoll_create1(0);
  if (all == NULL || text == NULL) die("no memory");
  for (size_t i = 0; i < longest; i++) memcpy(text + i * LINE, MESSAGE, LINE);
  for (int i = 0; i < count; i++) {
    all[i].greedy = i >= polite;
    join(&all[i]);
  }
  run(all, count, option("warm", 0));
  puts("ready");
  fflush(stdout);
  if (getchar() == EOF) return 0;
  double took = run(all, count, option("seconds", 1));
  qsort(times, blocks, sizeof *times, ascending);
  qsort(all, (size_t)polite, sizeof *all, fewest_first);
  printf("{\"messages\":%llu,\"seconds\":%.6f,\"middle_ms\":%.4f,\"slowest_ms\":%.4f,"
         "\"least\":%u,\"median\":%u,\"most\":%u}\n",
         (unsigned long long)(messages + greedy_messages), took, times[blocks / 2],
         times[blocks - 1], all[0].answered, all[polite / 2].answered,
         all[polite - 1].answered);
  fflush(stdout);
  while (getchar() != EOF) continue;
  return 0;
}
