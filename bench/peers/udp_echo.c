/* An echo server of datagrams on one thread with epoll. With the argument 1 it receives and sends them one by one, with a
   larger one it receives up to so many with one call (recvmmsg), and with a second argument of "send" it answers them with
   one call too (sendmmsg). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 32, BUFFER = 65536 };

static char buffers[MOST][BUFFER];
static struct sockaddr_in peers[MOST];
static struct iovec parts[MOST];
static struct mmsghdr messages[MOST];

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

static void echo_singly(int descriptor)
{
    for (int i = 0; i < MOST; i++) {
        socklen_t length = sizeof peers[0];
        ssize_t count = recvfrom(descriptor, buffers[0], BUFFER, MSG_DONTWAIT, (struct sockaddr *)&peers[0], &length);
        if (count < 0)
            return;
        sendto(descriptor, buffers[0], count, MSG_NOSIGNAL, (struct sockaddr *)&peers[0], length);
    }
}

static void echo_batch(int descriptor, int most, int sends_batch)
{
    for (int i = 0; i < most; i++) {
        parts[i] = (struct iovec){ .iov_base = buffers[i], .iov_len = BUFFER };
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &parts[i], .msg_iovlen = 1 };
    }
    int count = recvmmsg(descriptor, messages, most, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        parts[i].iov_len = messages[i].msg_len;
    if (sends_batch && count > 0)
        sendmmsg(descriptor, messages, count, MSG_NOSIGNAL);
    for (int i = 0; i < count && !sends_batch; i++)
        sendto(descriptor, buffers[i], parts[i].iov_len, MSG_NOSIGNAL, (struct sockaddr *)&peers[i], sizeof peers[i]);
}

int main(int count, char **arguments)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    struct epoll_event events[2];
    int batch = count > 1 ? atoi(arguments[1]) : 1;
    int sends_batch = count > 2 && strcmp(arguments[2], "send") == 0;
    int server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (batch < 1 || batch > MOST) {
        fprintf(stderr, "A batch has 1 to %d datagrams, not %d.\n", MOST, batch);
        return 1;
    }
    check(server, "socket");
    check(epoll, "epoll_create1");
    check(bind(server, (struct sockaddr *)&address, length), "bind");
    check(getsockname(server, (struct sockaddr *)&address, &length), "getsockname");
    watch(epoll, server);
    watch(epoll, STDIN_FILENO);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, 2, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == STDIN_FILENO)
                return 0;
            if (batch == 1)
                echo_singly(server);
            else
                echo_batch(server, batch, sends_batch);
        }
    }
}
