/* An echo server on one thread with epoll: the least that the kernel asks for this work. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, EVENTS = 256, BUFFER = 16384 };

static void check(int result, const char *call)
{
    if (result < 0) {
        perror(call);
        exit(1);
    }
}

static void watch(int epoll, int descriptor)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = descriptor };
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

static void accept_callers(int epoll, int listener)
{
    int caller, one = 1;
    while ((caller = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        setsockopt(caller, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(epoll, caller);
    }
}

static void echo(int caller)
{
    static char buffer[BUFFER];
    ssize_t count = recv(caller, buffer, sizeof buffer, 0);
    if (count <= 0) {
        close(caller);
        return;
    }
    for (ssize_t sent = 0; sent < count;) {
        ssize_t now = send(caller, buffer + sent, count - sent, MSG_NOSIGNAL);
        if (now < 0)
            return;
        sent += now;
    }
}

int main(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    struct epoll_event events[EVENTS];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    check(listener, "socket");
    check(epoll, "epoll_create1");
    check(bind(listener, (struct sockaddr *)&address, length), "bind");
    check(listen(listener, BACKLOG), "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
    watch(epoll, listener);
    watch(epoll, STDIN_FILENO);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int descriptor = events[i].data.fd;
            if (descriptor == listener)
                accept_callers(epoll, listener);
            else if (descriptor == STDIN_FILENO)
                return 0;
            else
                echo(descriptor);
        }
    }
}
