"""An echo server on one thread with the standard library's selectors."""
import selectors
import socket
import sys

selector = selectors.DefaultSelector()
listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
listener.setblocking(False)
selector.register(listener, selectors.EVENT_READ)
selector.register(sys.stdin, selectors.EVENT_READ)
print(listener.getsockname()[1], flush=True)


def accept():
    try:
        caller, _ = listener.accept()
    except BlockingIOError:
        return
    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    caller.setblocking(True)
    selector.register(caller, selectors.EVENT_READ)


def echo(caller):
    try:
        data = caller.recv(16384)
        if data:
            caller.sendall(data)
            return
    except ConnectionError:
        pass
    selector.unregister(caller)
    caller.close()


while True:
    for key, _ in selector.select():
        if key.fileobj is listener:
            accept()
        elif key.fileobj is sys.stdin:
            if not sys.stdin.readline():
                sys.exit()
        else:
            echo(key.fileobj)
