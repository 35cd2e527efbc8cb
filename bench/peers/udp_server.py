"""An echo server of datagrams on one thread with the standard library's selectors."""
import selectors
import socket
import sys

selector = selectors.DefaultSelector()
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
server.setblocking(False)
selector.register(server, selectors.EVENT_READ)
selector.register(sys.stdin, selectors.EVENT_READ)
print(server.getsockname()[1], flush=True)


def echo():
    try:
        while True:
            data, peer = server.recvfrom(65535)
            server.sendto(data, peer)
    except BlockingIOError:
        pass


while True:
    for key, _ in selector.select():
        if key.fileobj is server:
            echo()
        elif not sys.stdin.readline():
            sys.exit()
