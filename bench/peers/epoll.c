/*
 * The limit: what the protocol costs when nothing but the kernel is in the way.
 *
 * One thread, epoll, sockets that never block: the best usual form in C. A message
 * is a line, answered "Message reçu"; FIN, or the end of the stream, ends. All the
 * answers to a read leave in one write, and while a client does not read them, it
 * is not read from. Prints its address, as all the peers do. Linux only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER "Message reçu\n"
enum {
  SIZE = sizeof ANSWER - 1,
  READ = 64 * 1024,
  MAX_MESSAGE = 64 * 1024,
  REPEATED = 4096, /* Answers ready to be sent, one after the other. */
};

struct client {
  int fd;
  bool ending;  /* FIN or the end of the stream: answers go out, none is added. */
  bool waiting; /* It does not read: wait until it can be written to. */
  size_t owed;  /* Bytes of answers not sent yet; the last of whole answers. */
  size_t held;  /* Bytes of a line whose end has not come. */
  char *rest;   /* Those bytes. */
};

static char answers[REPEATED * SIZE];
static char room[MAX_MESSAGE + 1 + READ];
static int poller;

static void leave(struct client *c) {
  close(c->fd); /* Which takes it out of epoll as well. */
  free(c->rest);
  free(c);
}

static bool is_fin(const char *line, const char *end) {
  while (line < end && isspace((unsigned char)*line)) line++;
  while (line < end && isspace((unsigned char)end[-1])) end--;
  return end - line == 3 && strncasecmp(line, "FIN", 3) == 0;
}

/* Sends what is owed, or as much as fits; false if the client is lost. */
static bool answer(struct client *c) {
  while (c->owed > 0) {
    /* All answers are the same: only where in one of them we stand matters. */
    size_t from = (SIZE - c->owed % SIZE) % SIZE;
    size_t most = sizeof answers - from;
    size_t want = c->owed < most ? c->owed : most;
    ssize_t sent = send(c->fd, answers + from, want, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) break;
    c->owed -= (size_t)sent;
  }
  bool waiting = c->owed > 0;
  if (waiting != c->waiting) {
    struct epoll_event event = {waiting ? EPOLLOUT : EPOLLIN, {.ptr = c}};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
    c->waiting = waiting;
  }
  return !c->ending || waiting || shutdown(c->fd, SHUT_WR) == 0;
}

/* Takes the lines out of what was read; false if the client must go. */
static bool take(struct client *c, size_t count, bool ended) {
  char *line = room, *limit = room + count, *from = room + c->held, *end;
  while ((end = memchr(from, '\n', (size_t)(limit - from))) != NULL) {
    c->owed += SIZE;
    if (is_fin(line, end)) {
      c->ending = true;
      c->held = 0;
      return true;
    }
    line = from = end + 1;
  }
  c->held = (size_t)(limit - line);
  if (ended) {
    /* What is left at the end of the stream is the last message. */
    c->owed += c->held > 0 ? SIZE : 0;
    c->ending = true;
    return true;
  }
  if (c->held > MAX_MESSAGE) return false;
  if (c->held == 0) return true;
  char *rest = realloc(c->rest, c->held);
  if (rest == NULL) return false;
  c->rest = rest;
  memcpy(rest, line, c->held);
  return true;
}

static void serve(struct client *c) {
  if (c->waiting) {
    if (!answer(c)) leave(c);
    return;
  }
  if (c->ending) {
    /* To close with bytes unread would reset the connection, answers and all. */
    if (recv(c->fd, room, READ, MSG_DONTWAIT) <= 0) leave(c);
    return;
  }
  if (c->held > 0) memcpy(room, c->rest, c->held);
  ssize_t got = recv(c->fd, room + c->held, READ, MSG_DONTWAIT);
  if (got < 0 || !take(c, c->held + (size_t)got, got == 0) || !answer(c)) leave(c);
}

static void welcome(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
  struct client *c = fd < 0 ? NULL : calloc(1, sizeof *c);
  if (c == NULL) return;
  c->fd = fd;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event event = {EPOLLIN, {.ptr = c}};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) leave(c);
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t length = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  poller = epoll_create1(0);
  struct epoll_event event = {EPOLLIN, {.ptr = NULL}}, events[512];
  if (bind(listener, (struct sockaddr *)&address, length) != 0 ||
      listen(listener, 4096) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
      epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0) {
    perror("epoll.c");
    return 1;
  }
  for (int i = 0; i < REPEATED; i++) memcpy(answers + i * SIZE, ANSWER, SIZE);
  printf("127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(poller, events, 512, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == NULL) welcome(listener);
      else serve(events[i].data.ptr);
    }
  }
}
