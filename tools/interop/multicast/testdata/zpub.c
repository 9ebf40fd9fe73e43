/*
 * zpub publishes with libzmq. Beside the arguments in peer.h it takes
 *
 *   endpoint=E       pgm://ADDRESS;GROUP:PORT or epgm://...
 *   kbit=N           ZMQ_RATE, default 1000000
 *   recovery=MS      ZMQ_RECOVERY_IVL, default 1000
 *   hwm=N            ZMQ_SNDHWM, default 100000; at the mark it waits
 *   tpdu=N           ZMQ_MULTICAST_MAXTPDU, default 1500
 *   sndbuf=N         ZMQ_SNDBUF, default 4 MiB
 */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

static void set(void *socket, int option, int64_t value)
{
    int v = (int)value;
    if (zmq_setsockopt(socket, option, &v, sizeof v) != 0)
        fail("option %d: %s", option, zmq_strerror(errno));
}

static void wait_until(int64_t ns)
{
    struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static void publish(void *socket, const struct plan *p, unsigned char *part)
{
    for (int64_t n = 0; n < p->count; n++) {
        int64_t stamp = due(p, n);
        if (p->rate > 0)
            wait_until(stamp);
        size_t size = size_of(p, n);
        for (int k = 0; k < p->parts; k++) {
            write_part(part, size, p, n, k, stamp);
            while (zmq_send(socket, part, size, k + 1 < p->parts ? ZMQ_SNDMORE : 0) < 0)
                if (errno != EINTR)
                    fail("zmq_send: %s", zmq_strerror(errno));
        }
    }
}

int main(int argc, char **argv)
{
    parse_arguments(argc, argv);
    struct plan plan = read_plan(MAX_PARTS);
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_XPUB); /* which can wait where PUB drops */
    if (socket == NULL)
        fail("zmq_socket: %s", zmq_strerror(errno));
    set(socket, ZMQ_XPUB_NODROP, 1);
    set(socket, ZMQ_RATE, number("kbit", 1000000, 1, 2147483));
    set(socket, ZMQ_RECOVERY_IVL, number("recovery", 1000, 1, 1000000));
    set(socket, ZMQ_SNDHWM, number("hwm", 100000, 0, 100000000));
    set(socket, ZMQ_MULTICAST_MAXTPDU, number("tpdu", 1500, 100, 65535));
    set(socket, ZMQ_SNDBUF, number("sndbuf", 4 << 20, 0, 1 << 30));
    const char *endpoint = argument("endpoint", NULL);
    check_arguments();
    if (zmq_connect(socket, endpoint) != 0)
        fail("zmq_connect %s: %s", endpoint, zmq_strerror(errno));
    unsigned char *part = malloc(largest(&plan));
    if (part == NULL)
        fail("no memory");
    say("ready");
    wait_for_line();
    plan.start = now_ns();
    publish(socket, &plan, part);
    say("done %lld", (long long)plan.count);
    while (!input_ended())
        wait_until(now_ns() + 1000000);
    _exit(0); /* the socket would linger, with nobody to tell when it may stop */
}
