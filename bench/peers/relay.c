/* A TCP relay on one thread with epoll, read and write: what a gateway has to do at least, without splice.
   Usage: relay PORT, where the other side is on 127.0.0.1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, EVENTS = 256, BUFFER = 128 * 1024 };

struct end {
    int descriptor;
    uint32_t interest;
    struct end *other;
    /* What the other end has read and this one could not send yet. */
    char *rest;
    size_t start, length;
    int ended;
};

static int epoll;
static struct sockaddr_in target;

static void check(int result, const char *call)
{
    if (result < 0) {
        perror(call);
        exit(1);
    }
}

static void watch(struct end *end, uint32_t interest)
{
    struct epoll_event event = { .events = interest, .data.ptr = end };
    if (end->interest != interest) {
        check(epoll_ctl(epoll, EPOLL_CTL_MOD, end->descriptor, &event), "epoll_ctl");
        end->interest = interest;
    }
}

static struct end *add(int descriptor)
{
    struct end *end = calloc(1, sizeof *end);
    int one = 1;
    end->descriptor = descriptor;
    end->interest = EPOLLIN;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = end };
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return end;
}

static void accept_callers(int listener)
{
    int caller;
    while ((caller = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        int onward = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(onward, "socket");
        check(connect(onward, (struct sockaddr *)&target, sizeof target), "connect");
        struct end *here = add(caller), *there = add(onward);
        here->other = there;
        there->other = here;
    }
}

/* Both ends at once; an event of the second that is in the same batch finds its descriptor closed. */
static void finish(struct end *end)
{
    close(end->descriptor);
    close(end->other->descriptor);
    end->descriptor = end->other->descriptor = -1;
}

static void relay(struct end *from)
{
    static char buffer[BUFFER];
    struct end *to = from->other;
    ssize_t count = recv(from->descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        from->ended = 1;
        shutdown(to->descriptor, SHUT_WR);
        watch(from, from->interest & ~EPOLLIN);
        if (count < 0 || to->ended)
            finish(from);
        return;
    }
    ssize_t sent = send(to->descriptor, buffer, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        finish(from);
        return;
    }
    if (sent < count) {
        sent = sent < 0 ? 0 : sent;
        to->rest = malloc(BUFFER);
        to->start = 0;
        to->length = count - sent;
        memcpy(to->rest, buffer + sent, to->length);
        watch(to, to->interest | EPOLLOUT);
        watch(from, from->interest & ~EPOLLIN);
    }
}

static void send_rest(struct end *to)
{
    ssize_t sent = send(to->descriptor, to->rest + to->start, to->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        return;
    if (sent < 0) {
        finish(to);
        return;
    }
    to->start += sent;
    to->length -= sent;
    if (to->length == 0) {
        free(to->rest);
        to->rest = NULL;
        watch(to, to->interest & ~EPOLLOUT);
        watch(to->other, to->other->interest | EPOLLIN);
    }
}

int main(int count, char **arguments)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    struct epoll_event events[EVENTS];
    struct end listening = { 0 }, input = { 0 };
    if (count != 2)
        return 2;
    target = address;
    target.sin_port = htons(atoi(arguments[1]));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    check(listener, "socket");
    check(epoll, "epoll_create1");
    check(bind(listener, (struct sockaddr *)&address, length), "bind");
    check(listen(listener, BACKLOG), "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &listening };
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event), "epoll_ctl");
    event.data.ptr = &input;
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event), "epoll_ctl");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct end *end = events[i].data.ptr;
            if (end == &listening)
                accept_callers(listener);
            else if (end == &input)
                return 0;
            else if (end->descriptor >= 0) {
                if ((events[i].events & EPOLLOUT) && end->rest)
                    send_rest(end);
                if (end->descriptor >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !end->ended && !end->other->rest)
                    relay(end);
            }
        }
    }
}
