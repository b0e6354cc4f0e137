/*
 * The load: clients that speak, and count and time the answers. One thread, epoll.
 *
 * What it does stands in its environment:
 *   port      where the server is, on 127.0.0.1
 *   pid       the server's: whose CPU time and memory are told (or else, its own)
 *   clients   how many connections
 *   lines     messages in a block; 1 is lock-step
 *   split     1: each line of a block is a write of its own
 *   greedy    how many more clients never wait for an answer; they are not timed
 *   warm      how long to run before, in s
 *   seconds   how long to run while it counts; 0 is one block each
 * It prints one line of JSON. Answers are counted, not looked into: a generator must be
 * quicker than what it measures.
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
enum { LINE = sizeof MESSAGE - 1, GREEDY_LINES = 20000, EVENTS = 512 };
static const int ANSWER_SIZE = sizeof ANSWER - 1;

struct client {
  int fd;
  bool greedy;
  size_t lines;      /* In each of its blocks. */
  size_t unsent;     /* Bytes of the block that are still to be sent. */
  long long owed;    /* Bytes of answers that are still to come. */
  uint64_t since;    /* When the block was begun, in ns. */
  uint32_t answered; /* Messages, before the end of the run. */
};

static uint64_t messages;
static uint64_t blocks, waited, slowest; /* Of those who are not greedy; in ns. */
static char *text, room[1 << 18];
static int poller, active;
static bool over, split;

static void die(const char *problem) {
  fprintf(stderr, "load: %s\n", problem);
  exit(1);
}

static double option(const char *name, double otherwise) {
  const char *value = getenv(name);
  return value ? atof(value) : otherwise;
}

/* What a clock shows, in ns. */
static uint64_t shown(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now(void) { return shown(CLOCK_MONOTONIC); }

/* The CPU time of a process so far, user and system, all its threads, in ns. */
static uint64_t cpu_time(pid_t pid) {
  clockid_t clock;
  if (clock_getcpuclockid(pid, &clock) != 0) die("there is no such process");
  return shown(clock);
}

/* The memory that a process holds (resident set), in KiB. */
static long memory(pid_t pid) {
  char path[32];
  long pages = 0;
  snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
  FILE *file = fopen(path, "r");
  if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) die("no memory is told");
  fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int fewest_first(const void *a, const void *b) {
  uint32_t x = ((const struct client *)a)->answered;
  uint32_t y = ((const struct client *)b)->answered;
  return (x > y) - (x < y);
}

static void join(struct client *c, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int on = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("no file descriptor is left (ulimit -n)");
  /* A connection that waits must not make the others wait: it ends in `push`. */
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
    die("cannot connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  /* Edge-triggered: an event when an answer, or room to send, has come. */
  struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET, {.ptr = c}};
  epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
}

/* Sends what the kernel takes of the block. */
static void push(struct client *c) {
  const char *end = text + c->lines * LINE;
  while (c->unsent > 0) {
    ssize_t sent = send(c->fd, end - c->unsent, split ? LINE : c->unsent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) die("the server broke off");
    c->unsent -= (size_t)sent;
  }
}

static void begin(struct client *c) {
  messages += c->lines;
  c->since = now();
  c->unsent = c->lines * LINE;
  c->owed += (long long)c->lines * ANSWER_SIZE;
  push(c);
}

/* Reads all the answers that have come. */
static void receive(struct client *c) {
  ssize_t got;
  while ((got = recv(c->fd, room, sizeof room, 0)) > 0) c->owed -= got;
  if (got == 0 || errno != EAGAIN) die("the server broke off");
  if (c->owed < 0) die("more answers than messages");
}

static void serve(struct client *c) {
  if (c->owed == 0) return;
  push(c);
  receive(c);
  bool done = c->owed == 0 && c->unsent == 0;
  if (done && !c->greedy) {
    uint64_t time = now() - c->since;
    if (time > slowest) slowest = time;
    waited += time;
    blocks++;
    if (!over) c->answered += (uint32_t)c->lines;
  }
  if (done && over) active--;
  else if (!over && (done || (c->greedy && c->unsent == 0))) begin(c);
}

/* All clients speak for so many seconds, and until the last answer is there. */
static void run(struct client *all, int count, double seconds) {
  uint64_t end = now() + (uint64_t)(seconds * 1e9);
  struct epoll_event events[EVENTS];
  messages = blocks = waited = slowest = 0;
  over = seconds == 0;
  active = count;
  for (int i = 0; i < count; i++) {
    all[i].answered = 0;
    begin(&all[i]);
  }
  while (active > 0) {
    int ready = epoll_wait(poller, events, EVENTS, 1000);
    over = over || now() >= end;
    if (now() > end + 20000000000u) die("the last answers did not come within 20 s");
    for (int i = 0; i < ready; i++) serve(events[i].data.ptr);
  }
}

int main(void) {
  pid_t pid = (pid_t)option("pid", getpid());
  int polite = (int)option("clients", 1), count = polite + (int)option("greedy", 0);
  size_t lines = (size_t)option("lines", 1);
  size_t longest = lines > GREEDY_LINES ? lines : GREEDY_LINES;
  struct client *all = calloc((size_t)count, sizeof *all);
  text = malloc(longest * LINE);
  if (all == NULL || text == NULL) die("no memory");
  for (size_t i = 0; i < longest; i++) memcpy(text + i * LINE, MESSAGE, LINE);
  split = option("split", 0);
  poller = epoll_create1(0);
  for (int i = 0; i < count; i++) {
    all[i].greedy = i >= polite;
    all[i].lines = all[i].greedy ? GREEDY_LINES : lines;
    join(&all[i], (int)option("port", 0));
  }
  double warm = option("warm", 0);
  if (warm > 0) run(all, count, warm);
  uint64_t before = cpu_time(pid);
  run(all, count, option("seconds", 1));
  double spent = (double)(cpu_time(pid) - before);
  qsort(all, (size_t)polite, sizeof *all, fewest_first);
  printf("{\"messages\":%llu,\"cpu_us\":%.5f,\"kib\":%ld,\"mean_ms\":%.4f,"
         "\"slowest_ms\":%.4f,\"least\":%u,\"median\":%u,\"most\":%u}\n",
         (unsigned long long)messages, spent / (double)messages / 1e3, memory(pid),
         (double)waited / (double)blocks / 1e6, (double)slowest / 1e6, all[0].answered,
         all[polite / 2].answered, all[polite - 1].answered);
  return 0;
}
