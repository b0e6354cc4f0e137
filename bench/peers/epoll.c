/*
 * The unit: what the protocol costs when nothing but the kernel is in the way.
 *
 * One thread, epoll, sockets that never block: the best usual form in C. Each line is
 * answered "Message reçu". All the answers to a read leave in one write, and while a
 * client does not read them, it is not read from. Prints its address. Linux only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
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
  REPEATED = 4096, /* Answers ready to be sent, one after the other. */
  EVENTS = 512,
};

struct client {
  int fd;
  bool writable; /* It is waited for until it can be written to. */
  size_t owed;   /* Bytes of answers not sent yet; the last of whole answers. */
};

static char answers[REPEATED * SIZE], room[READ];
static int poller;

static void watch(struct client *c, int how, uint32_t what) {
  struct epoll_event event = {what, {.ptr = c}};
  epoll_ctl(poller, how, c->fd, &event);
}

static void leave(struct client *c) {
  close(c->fd); /* Which takes it out of epoll as well. */
  free(c);
}

/* Sends what is owed, or as much as the kernel takes. */
static void answer(struct client *c) {
  while (c->owed > 0) {
    /* All answers are the same: only where in one of them we stand matters. */
    size_t from = (SIZE - c->owed % SIZE) % SIZE;
    size_t most = sizeof answers - from;
    ssize_t sent =
        send(c->fd, answers + from, c->owed < most ? c->owed : most, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) return leave(c);
    c->owed -= (size_t)sent;
  }
  if (c->writable == (c->owed > 0)) return;
  c->writable = c->owed > 0;
  watch(c, EPOLL_CTL_MOD, c->writable ? EPOLLOUT : EPOLLIN);
}

static void serve(struct client *c) {
  if (c->writable) return answer(c);
  ssize_t got = recv(c->fd, room, READ, 0);
  if (got <= 0) return leave(c);
  const char *from = room, *limit = room + got, *end;
  while ((end = memchr(from, '\n', (size_t)(limit - from))) != NULL) {
    c->owed += SIZE;
    from = end + 1;
  }
  answer(c);
}

static void welcome(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
  struct client *c = fd < 0 ? NULL : calloc(1, sizeof *c);
  if (c == NULL) return;
  c->fd = fd;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t length = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  poller = epoll_create1(0);
  struct epoll_event event = {EPOLLIN, {.ptr = NULL}}, events[EVENTS];
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
  while (true) {
    int count = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == NULL) welcome(listener);
      else serve(events[i].data.ptr);
    }
  }
}
