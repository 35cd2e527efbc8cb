"""Makes calls, waits for each greeting, says so, and holds the calls until its input ends."""
import socket
import sys

callers = [socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) for _ in range(int(sys.argv[3]))]
for caller in callers:
    caller.sendall(b"0")
    assert caller.recv(1)
print("holding", flush=True)
sys.stdin.read()
