/*
 * zsub subscribes with libzmq. Beside the arguments in peer.h it takes
 *
 *   endpoint=E       pgm://ADDRESS;GROUP:PORT or epgm://...
 *   kbit=N           ZMQ_RATE, of which and recovery its window is made, default 1000000
 *   recovery=MS      ZMQ_RECOVERY_IVL, default 1000
 *   hwm=N            ZMQ_RCVHWM, default 0, unlimited
 *   tpdu=N           ZMQ_MULTICAST_MAXTPDU, default 1500
 *   rcvbuf=N         ZMQ_RCVBUF, default 4 MiB
 */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

static void set(void *socket, int option, int64_t value)
{
    int v = (int)value;
    if (zmq_setsockopt(socket, option, &v, sizeof v) != 0)
        fail("option %d: %s", option, zmq_strerror(errno));
}

/* A group as the kernel lists it, and where. */
struct group {
    const char *list;
    char hex[33];
};

/* Finds the group in an endpoint of the form pgm://INTERFACE;GROUP:PORT. */
static bool find_group(const char *endpoint, struct group *g)
{
    const char *from = strchr(endpoint, ';'), *to = strrchr(endpoint, ':');
    char text[64] = "";
    unsigned char address[16];
    if (from == NULL || to == NULL || to < from)
        return false;
    from += from[1] == '[' ? 2 : 1;
    to -= to[-1] == ']' ? 1 : 0;
    snprintf(text, sizeof text, "%.*s", (int)(to - from), from);
    if (inet_pton(AF_INET, text, address) == 1) {
        uint32_t host_order; /* as the kernel prints it */
        memcpy(&host_order, address, sizeof host_order);
        g->list = "/proc/net/igmp";
        snprintf(g->hex, sizeof g->hex, "%08X", host_order);
        return true;
    }
    if (inet_pton(AF_INET6, text, address) != 1)
        fail("%s is no group", text);
    g->list = "/proc/net/igmp6";
    for (int i = 0; i < 16; i++)
        snprintf(g->hex + 2 * i, 3, "%02x", address[i]);
    return true;
}

/* How many sockets have joined a group, in the network that this program is in. */
static int members(const struct group *g)
{
    char line[200];
    int count = 0;
    FILE *list = fopen(g->list, "r");
    if (list == NULL)
        fail("%s: %s", g->list, strerror(errno));
    while (fgets(line, sizeof line, list) != NULL) {
        const char *found = strstr(line, g->hex);
        int n;
        if (found != NULL && sscanf(found + strlen(g->hex), "%d", &n) == 1)
            count += n;
    }
    fclose(list);
    return count;
}

/* libzmq joins on a thread of its own, some time after zmq_connect. */
static void connect_and_join(void *socket, const char *endpoint)
{
    struct group g;
    bool multicast = find_group(endpoint, &g);
    int before = multicast ? members(&g) : 0;
    if (zmq_connect(socket, endpoint) != 0)
        fail("zmq_connect %s: %s", endpoint, zmq_strerror(errno));
    int64_t limit = now_ns() + INT64_C(10000000000);
    while (multicast && members(&g) <= before) {
        if (now_ns() > limit)
            fail("libzmq has not joined %s", g.hex);
        struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
    }
}

/* Receives what is there. */
static void receive(void *socket)
{
    zmq_msg_t part;
    zmq_msg_init(&part);
    while (!tally_complete()) {
        if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0) {
            if (errno == EAGAIN)
                break;
            if (errno == EINTR)
                continue;
            fail("zmq_msg_recv: %s", zmq_strerror(errno));
        }
        tally_part(zmq_msg_data(&part), zmq_msg_size(&part), zmq_msg_more(&part));
    }
    zmq_msg_close(&part);
}

int main(int argc, char **argv)
{
    parse_arguments(argc, argv);
    start_tally();
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_SUB);
    if (socket == NULL)
        fail("zmq_socket: %s", zmq_strerror(errno));
    set(socket, ZMQ_RATE, number("kbit", 1000000, 1, 2147483));
    set(socket, ZMQ_RECOVERY_IVL, number("recovery", 1000, 1, 1000000));
    set(socket, ZMQ_RCVHWM, number("hwm", 0, 0, 100000000));
    set(socket, ZMQ_MULTICAST_MAXTPDU, number("tpdu", 1500, 100, 65535));
    set(socket, ZMQ_RCVBUF, number("rcvbuf", 4 << 20, 0, 1 << 30));
    if (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0) != 0)
        fail("subscribe: %s", zmq_strerror(errno));
    const char *endpoint = argument("endpoint", NULL);
    check_arguments();
    connect_and_join(socket, endpoint);
    say("ready");
    const char *reason = NULL;
    while (reason == NULL) {
        zmq_pollitem_t items[] = {{.socket = socket, .events = ZMQ_POLLIN}, {.fd = 0, .events = ZMQ_POLLIN}};
        if (zmq_poll(items, 2, tally_wait_ms()) < 0 && errno != EINTR)
            fail("zmq_poll: %s", zmq_strerror(errno));
        receive(socket);
        if (tally_complete())
            reason = "all";
        else if (items[1].revents != 0 && input_ended())
            reason = "input";
        else if (tally_idle())
            reason = "idle";
    }
    report_tally(reason);
    _exit(0);
}
