"""One libzmq socket, told what to do by lines of JSON. Octets travel as hex."""
import json
import os
import sys
import threading

import zmq

# OpenPGM warns on standard output, into the middle of a line if need be.
answers = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

context = zmq.Context()
socket = None


def deny(status):
    """Answer every ZAP request with the given status (RFC 27)."""
    handler = context.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")

    def serve():
        while True:
            request = handler.recv_multipart()
            handler.send_multipart([b"1.0", request[1], status, b"", b"", b""])

    threading.Thread(target=serve, daemon=True).start()


def open_socket(order):
    global socket
    if order.get("deny"):
        deny(order["deny"].encode())
    socket = context.socket(getattr(zmq, order["type"]))
    socket.linger = 0
    socket.sndtimeo = socket.rcvtimeo = 5000
    if order.get("deny"):
        socket.zap_domain = b"vectors"
    if order.get("identity"):
        socket.identity = order["identity"].encode()
    if order.get("metadata"):
        socket.setsockopt(zmq.METADATA, order["metadata"].encode())
    if order.get("heartbeat"):
        socket.heartbeat_ivl = order["heartbeat"]
        socket.heartbeat_timeout = 60000
        socket.heartbeat_ttl = order.get("ttl", 0)
    if order.get("connect"):
        socket.connect(order["connect"])
        return ""
    socket.bind("tcp://127.0.0.1:*")
    return socket.last_endpoint.decode()


def obey(order):
    verb = order["verb"]
    if verb == "version":
        return zmq.zmq_version()
    if verb == "socket":
        return open_socket(order)
    frames = [bytes.fromhex(f) for f in order.get("frames") or []]
    # Asking for events makes the socket look at peers and subscriptions that came.
    socket.getsockopt(zmq.EVENTS)
    if verb == "subscribe":
        socket.subscribe(frames[0])
    elif verb == "cancel":
        socket.unsubscribe(frames[0])
    elif verb == "message":
        socket.send_multipart(frames)
    elif verb == "close":
        socket.close()
        context.term()
    elif verb == "recv":
        return [f.hex() for f in socket.recv_multipart()]
    return ""


for line in sys.stdin:
    try:
        answer = {"ok": obey(json.loads(line))}
    except zmq.ZMQError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), file=answers, flush=True)
os._exit(0)  # the ZAP handler's thread would not let the context end
