"""Calls the hotline 1,000 times at once. Half of the callers say nothing; the other half are served meanwhile."""
import resource
import socket
import sys

CALLERS = 1000
GREETING = "欢迎致电10086,请输入1xxx,0转人工服务.".encode("utf-8")
OPERATOR = "通过可能会被录音.balabala一大推".encode("utf-8")
AGAIN = "请重新输入.".encode("utf-8")


def expect(caller, expected):
    received = b""
    while len(received) < len(expected):
        piece = caller.recv(len(expected) - len(received))
        if not piece:
            break
        received += piece
    assert received == expected, f"received {received!r} and not {expected!r}"


soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
callers = [socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) for _ in range(CALLERS)]
for caller in callers:
    expect(caller, GREETING)
silent, talking = callers[::2], callers[1::2]
for question, answer in ((b"0", OPERATOR), (b"1234", AGAIN), ("转人工".encode("utf-8"), AGAIN), (b"0\n", OPERATOR)):
    for caller in talking:
        caller.sendall(question)
    for caller in talking:
        expect(caller, answer)
for caller in talking:
    caller.sendall(b"exit")
for caller in talking:
    assert caller.recv(1) == b"", "the call goes on after exit"
    caller.close()
# The silent ones were not forgotten.
for caller in silent:
    caller.sendall(b"0")
for caller in silent:
    expect(caller, OPERATOR)
print(f"{len(talking)} served while {len(silent)} said nothing", flush=True)
