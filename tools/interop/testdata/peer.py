"""pyzmq's end of the interop suite: the commands of peer.c that rows for
Python use, in the same words and with the same answers. See peer.c."""

import signal
import struct
import sys
import zlib

import zmq

LIFETIME_SECONDS = 150
FILL_PERIOD = 1009
SHOWN_OCTETS = 300
MASK64 = (1 << 64) - 1

context = zmq.Context()
sockets = []


def make_body(size, seq, seed):
    """The octets that (size, seq, seed) stand for, as in peer.c and body_test.go."""
    x = (seed * 0x9E3779B97F4A7C15 + seq) & MASK64
    period = bytearray()
    for _ in range(min(size, FILL_PERIOD)):
        x = (x * 6364136223846793005 + 1442695040888963407) & MASK64
        period.append(x >> 56)
    if size <= FILL_PERIOD:
        body = period
    else:
        body = (period * (size // FILL_PERIOD + 1))[:size]
    if size >= 12:
        body[0:8] = struct.pack(">Q", seq)
        body[-4:] = struct.pack(">I", zlib.crc32(memoryview(body)[:-4]))
    return bytes(body)


def parse_frame(token):
    if token[0] == "g":
        return make_body(*map(int, token[2:].split(":")))
    return bytes.fromhex(token[2:])


def receive(s, ms):
    s.setsockopt(zmq.RCVTIMEO, int(ms))
    return s.recv_multipart()


def shaped(i, size, seed, parts):
    return [make_body(size, i << 8 | k, seed) for k in range(1 + i % parts)]


def do_socket(name):
    sockets.append(context.socket(getattr(zmq, name)))
    return str(len(sockets) - 1)


def do_set(s, option, value):
    value = parse_frame(value) if value.startswith("x:") else int(value)
    sockets[int(s)].setsockopt(int(option), value)


def do_get(s, option):
    return str(sockets[int(s)].getsockopt(int(option)))


def endpoint_command(name):
    def call(s, endpoint):
        s = sockets[int(s)]
        getattr(s, name)(endpoint)
        return s.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
    return call


def do_close(s):
    sockets[int(s)].close()


def do_send(s, *frames):
    sockets[int(s)].send_multipart([parse_frame(f) for f in frames])


def do_try(s, *frames):
    sockets[int(s)].send_multipart([parse_frame(f) for f in frames], zmq.DONTWAIT)


def do_recv(s, ms):
    frames = receive(sockets[int(s)], ms)
    answers = ["%d:%08x:%s" % (len(f), zlib.crc32(f), f[:SHOWN_OCTETS].hex()) for f in frames]
    return " ".join([str(len(frames))] + answers)


def do_stream(s, count, size, seed, parts, *prefix):
    prefix = [parse_frame(f) for f in prefix]
    for i in range(int(count)):
        sockets[int(s)].send_multipart(prefix + shaped(i, int(size), int(seed), int(parts)))


def check(i, got, want):
    if got != want:
        raise ValueError("message %d differs: %r" % (i, got))


def do_drain(s, count, size, seed, parts, skip, ms):
    for i in range(int(count)):
        got = receive(sockets[int(s)], ms)
        check(i, got[int(skip):], shaped(i, int(size), int(seed), int(parts)))


def do_ask(s, count, size, seed, parts, skip, ms, window, *prefix):
    prefix, count, sent = [parse_frame(f) for f in prefix], int(count), 0
    for i in range(count):
        while sent < count and sent - i < int(window):
            sockets[int(s)].send_multipart(prefix + shaped(sent, int(size), int(seed), int(parts)))
            sent += 1
        got = receive(sockets[int(s)], ms)
        check(i, got[int(skip):], shaped(i, int(size), int(seed), int(parts)))


def do_echo(s, count, ms):
    for _ in range(int(count)):
        sockets[int(s)].send_multipart(receive(sockets[int(s)], ms))


COMMANDS = {
    "socket": do_socket, "set": do_set, "get": do_get, "close": do_close,
    "bind": endpoint_command("bind"), "connect": endpoint_command("connect"),
    "unbind": endpoint_command("unbind"), "disconnect": endpoint_command("disconnect"),
    "send": do_send, "try": do_try, "recv": do_recv, "stream": do_stream,
    "drain": do_drain, "ask": do_ask, "echo": do_echo,
}


def answer(line):
    verb, *args = line.split(" ")
    try:
        result = COMMANDS[verb](*args)
        return "ok " + result if result else "ok"
    except zmq.Again as e:
        return "err EAGAIN %s" % e
    except Exception as e:  # the test reads it and fails
        return "err EOTHER %s %r" % (verb, e)


def main():
    signal.alarm(LIFETIME_SECONDS)
    print("ok %s" % zmq.zmq_version(), flush=True)
    for line in sys.stdin:
        line = line.rstrip("\n")
        if line == "quit":
            break
        print(answer(line), flush=True)
    context.destroy(linger=0)


main()
