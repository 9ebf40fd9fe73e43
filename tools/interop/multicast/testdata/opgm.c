/*
 * opgm sends or receives with OpenPGM itself. Beside the arguments in peer.h it
 * takes
 *
 *   role=R           send or receive
 *   net=I;G          the address of the interface, and the group
 *   udp=PORT         of the encapsulation; 0 (default) is PGM in IP
 *   port=N           the data-destination port, default 7500
 *   mtu=N            PGM_MTU, default 1500
 *   sqns=N           PGM_TXW_SQNS or PGM_RXW_SQNS, default 20000
 *   octets=N         of a sender: PGM_TXW_MAX_RTE a second, default 125000000
 *   backoff=US       of a receiver: PGM_NAK_BO_IVL, default 50000 as libzmq has it
 *   repeat=US        of a receiver: PGM_NAK_RPT_IVL, default 200000 as libzmq has it
 *   await=US         of a receiver: PGM_NAK_RDATA_IVL, default 200000 as libzmq has it
 *   alert=1          PGM_IP_ROUTER_ALERT
 *   zmq=1            what is sent is what libzmq would send: 16 bits that say where
 *                    the first message begins, and ZMTP 1.0
 *
 * Without zmq=1 a sender refuses messages that need fragments: Debian's OpenPGM 5.3.128 does
 * not survive sending them. A receiver writes "resets N" before its end: how
 * often OpenPGM reported data that it could not have repaired.
 */
#include "peer.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <pgm/pgm.h>

enum { BATCH = 16, MAX_APDU = 1 << 16, MAX_POLLS = 8, OFFSET_OCTETS = 2, NO_MESSAGE = 0xffff };

static pgm_sock_t *sock;
static bool zmq;

static void set(int option, const char *name, int64_t value)
{
    int v = (int)value;
    if (!pgm_setsockopt(sock, IPPROTO_PGM, option, &v, sizeof v))
        fail("%s=%d is refused", name, v);
}

#define SET(option, value) set(option, #option, value)

static void set_sender(void)
{
    static const int heartbeats_ms[] = {100, 100, 100, 100, 1300, 7000, 16000, 25000, 30000}; /* libzmq's */
    int heartbeats[sizeof heartbeats_ms / sizeof *heartbeats_ms];
    for (size_t i = 0; i < sizeof heartbeats / sizeof *heartbeats; i++)
        heartbeats[i] = heartbeats_ms[i] * 1000;
    SET(PGM_SEND_ONLY, 1);
    SET(PGM_TXW_SQNS, number("sqns", 20000, 1, 1 << 20));
    SET(PGM_TXW_MAX_RTE, number("octets", 125000000, 1000, 2000000000));
    SET(PGM_AMBIENT_SPM, 30000000);
    if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_HEARTBEAT_SPM, heartbeats, sizeof heartbeats))
        fail("PGM_HEARTBEAT_SPM is refused");
}

static void set_receiver(void)
{
    SET(PGM_RECV_ONLY, 1);
    SET(PGM_RXW_SQNS, number("sqns", 20000, 1, 1 << 20));
    SET(PGM_PEER_EXPIRY, 300000000);
    SET(PGM_SPMR_EXPIRY, 25000);
    SET(PGM_NAK_BO_IVL, number("backoff", 50000, 1, 100000000));
    SET(PGM_NAK_RPT_IVL, number("repeat", 200000, 1, 100000000));
    SET(PGM_NAK_RDATA_IVL, number("await", 200000, 1, 100000000));
    SET(PGM_NAK_DATA_RETRIES, 50);
    SET(PGM_NAK_NCF_RETRIES, 50);
}

/* Opens the socket and joins the group. */
static void join(bool sends)
{
    pgm_error_t *error = NULL;
    struct pgm_addrinfo_t *net = NULL;
    int64_t udp = number("udp", 0, 0, 65535);
    int buffer = 4 << 20;
    if (!pgm_init(&error) || !pgm_getaddrinfo(argument("net", NULL), NULL, &net, &error) ||
        !pgm_socket(&sock, AF_INET, SOCK_SEQPACKET, udp > 0 ? IPPROTO_UDP : IPPROTO_PGM, &error))
        fail("%s", error->message);
    if (udp > 0) {
        SET(PGM_UDP_ENCAP_UCAST_PORT, udp);
        SET(PGM_UDP_ENCAP_MCAST_PORT, udp);
    }
    SET(PGM_IP_ROUTER_ALERT, number("alert", 0, 0, 1));
    SET(PGM_MTU, number("mtu", 1500, 100, 65535));
    if (!pgm_setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) ||
        !pgm_setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer))
        fail("the size of a buffer is refused");
    if (sends)
        set_sender();
    else
        set_receiver();

    struct pgm_sockaddr_t address = {.sa_port = (uint16_t)number("port", 7500, 1, 65535)};
    char identity[64]; /* no two processes with one GSI */
    snprintf(identity, sizeof identity, "%d %lld", getpid(), (long long)now_ns());
    pgm_gsi_create_from_string(&address.sa_addr.gsi, identity, -1);
    struct pgm_interface_req_t interface = {.ir_interface = net->ai_recv_addrs[0].gsr_interface};
    if (!pgm_bind3(sock, &address, sizeof address, &interface, sizeof interface, &interface, sizeof interface, &error))
        fail("%s", error->message);
    for (uint32_t i = 0; i < net->ai_recv_addrs_len; i++)
        if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_JOIN_GROUP, &net->ai_recv_addrs[i], sizeof(struct group_req)))
            fail("the group is refused");
    if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_SEND_GROUP, &net->ai_send_addrs[0], sizeof(struct group_req)))
        fail("the group is refused");
    pgm_freeaddrinfo(net);
    SET(PGM_MULTICAST_LOOP, 0);
    SET(PGM_MULTICAST_HOPS, 1);
    SET(PGM_NOBLOCK, 1);
    check_arguments();
    if (!pgm_connect(sock, &error))
        fail("%s", error->message);
}

/* Waits for a packet, for ms at most, which is also how late timers may be. */
static void wait_for_packet(int ms)
{
    struct pollfd polls[MAX_POLLS];
    int count = MAX_POLLS;
    if (pgm_poll_info(sock, polls, &count, POLLIN) > 0)
        poll(polls, (nfds_t)count, ms);
}

/* Answers NAKs: OpenPGM does so when it is asked for data. */
static void repair(void)
{
    struct pgm_msgv_t ignored;
    size_t size;
    if (pgm_recvmsgv(sock, &ignored, 1, MSG_DONTWAIT, &size, NULL) == PGM_IO_STATUS_ERROR)
        fail("pgm_recvmsgv: an error");
}

/* Sends one packet, however long it takes. */
static void send_packet(const unsigned char *packet, size_t size)
{
    for (;;) {
        size_t sent;
        int status = pgm_send(sock, packet, size, &sent);
        if (status == PGM_IO_STATUS_NORMAL)
            return;
        if (status == PGM_IO_STATUS_ERROR)
            fail("pgm_send: an error");
        repair(); /* the rate is used up, or the kernel's buffer full */
    }
}

/* Writes the header of a frame of ZMTP 1.0, the longer form of which always
 * does, and returns its size. The length counts the flags. */
static size_t write_frame_header(unsigned char *at, size_t size, bool more)
{
    uint64_t length = size + 1;
    at[0] = 0xff;
    for (int i = 0; i < 8; i++)
        at[1 + i] = (unsigned char)(length >> (56 - 8 * i));
    at[9] = more;
    return 10;
}

/* Sends a message in as many packets as it takes, of its own. */
static void send_framed(const unsigned char *message, size_t size, size_t most)
{
    unsigned char packet[MAX_APDU];
    for (size_t done = 0; done < size;) {
        int offset = done == 0 ? 0 : NO_MESSAGE;
        size_t n = size - done < most - OFFSET_OCTETS ? size - done : most - OFFSET_OCTETS;
        packet[0] = (unsigned char)(offset >> 8);
        packet[1] = (unsigned char)offset;
        memcpy(packet + OFFSET_OCTETS, message + done, n);
        send_packet(packet, n + OFFSET_OCTETS);
        done += n;
    }
}

/* Sends message n of the plan. */
static void send_message(const struct plan *plan, int64_t n, int64_t stamp, unsigned char *octets, size_t most)
{
    size_t size = size_of(plan, n), filled = 0;
    if (!zmq) {
        write_part(octets, size, plan, n, 0, stamp);
        send_packet(octets, size);
        return;
    }
    for (int k = 0; k < plan->parts; k++) {
        filled += write_frame_header(octets + filled, size, k + 1 < plan->parts);
        write_part(octets + filled, size, plan, n, k, stamp);
        filled += size;
    }
    send_framed(octets, filled, most);
}

static void send_all(void)
{
    zmq = number("zmq", 0, 0, 1) == 1;
    struct plan plan = read_plan(zmq ? MAX_PARTS : 1);
    join(true);
    int most;
    socklen_t length = sizeof most;
    if (!pgm_getsockopt(sock, IPPROTO_PGM, PGM_MSS, &most, &length))
        fail("PGM_MSS is refused");
    if (!zmq && largest(&plan) > (size_t)most)
        fail("size=%zu needs fragments: the most is %d", largest(&plan), most);
    unsigned char *octets = malloc((size_t)plan.parts * (largest(&plan) + 10));
    if (octets == NULL)
        fail("no memory");
    say("ready");
    wait_for_line();
    plan.start = now_ns();
    for (int64_t n = 0; n < plan.count;) {
        int64_t stamp = due(&plan, n);
        if (stamp > now_ns()) {
            repair();
            wait_for_packet(1);
            continue;
        }
        send_message(&plan, n++, stamp, octets, (size_t)most);
    }
    say("done %lld", (long long)plan.count);
    while (!input_ended()) {
        repair();
        wait_for_packet(1);
    }
    pgm_close(sock, true);
}

/* Takes octets of ZMTP 1.0 that follow each other, and counts the parts that are
 * complete. */
static struct {
    bool joined; /* after a loss, what comes before the next message is of no use */
    unsigned char *octets;
    size_t size, room;
} stream;

static void lose_stream(void)
{
    stream.joined = false;
    stream.size = 0;
}

/* Takes a part off the front of the stream and returns how long it was with its
 * header, or 0 if it is not complete. */
static size_t take_part(const unsigned char *at, size_t size)
{
    size_t header = 2;
    uint64_t length = size > 0 ? at[0] : 0;
    if (size > 0 && at[0] == 0xff) {
        header = 10;
        length = 0;
        for (size_t i = 1; i < 9 && i < size; i++)
            length = length << 8 | at[i];
    }
    if (size < header || size - header < length - 1)
        return 0;
    if (length == 0)
        fail("a frame without flags");
    tally_part(at + header, length - 1, (at[header - 1] & 1) != 0);
    return header + length - 1;
}

static void take_stream(const unsigned char *packet, size_t size)
{
    if (size < OFFSET_OCTETS)
        fail("a packet of %zu octets", size);
    size_t offset = (size_t)packet[0] << 8 | packet[1];
    packet += OFFSET_OCTETS;
    size -= OFFSET_OCTETS;
    if (offset != NO_MESSAGE && offset > size)
        fail("a message at %zu of %zu", offset, size);
    if (!stream.joined) {
        if (offset == NO_MESSAGE)
            return;
        stream.joined = true;
        packet += offset;
        size -= offset;
    }
    if (stream.size + size > stream.room) {
        stream.room = 2 * (stream.size + size);
        stream.octets = realloc(stream.octets, stream.room);
        if (stream.octets == NULL)
            fail("no memory");
    }
    memcpy(stream.octets + stream.size, packet, size);
    stream.size += size;
    size_t done = 0, used;
    while ((used = take_part(stream.octets + done, stream.size - done)) > 0)
        done += used;
    stream.size -= done;
    memmove(stream.octets, stream.octets + done, stream.size);
}

/* Counts the messages of a batch. Each is in as many buffers as it has
 * fragments. */
static void tally_batch(const struct pgm_msgv_t *messages, size_t octets)
{
    static unsigned char whole[MAX_APDU];
    for (size_t done = 0; done < octets; messages++) {
        size_t size = 0;
        for (uint32_t i = 0; i < messages->msgv_len; i++) {
            const struct pgm_sk_buff_t *fragment = messages->msgv_skb[i];
            if (size + fragment->len > sizeof whole)
                fail("a message of more than %zu octets", sizeof whole);
            memcpy(whole + size, fragment->data, fragment->len);
            size += fragment->len;
        }
        if (zmq)
            take_stream(whole, size);
        else
            tally_part(whole, size, false);
        done += size;
    }
}

static void receive_all(void)
{
    start_tally();
    zmq = number("zmq", 0, 0, 1) == 1;
    join(false);
    say("ready");
    uint64_t resets = 0;
    const char *reason = NULL;
    while (reason == NULL) {
        struct pgm_msgv_t messages[BATCH];
        size_t octets = 0;
        pgm_error_t *error = NULL;
        switch (pgm_recvmsgv(sock, messages, BATCH, MSG_DONTWAIT | MSG_ERRQUEUE, &octets, &error)) {
        case PGM_IO_STATUS_NORMAL:
            tally_batch(messages, octets);
            break;
        case PGM_IO_STATUS_RESET:
            resets++;
            lose_stream();
            if (messages[0].msgv_len > 0)
                pgm_free_skb(messages[0].msgv_skb[0]);
            break;
        case PGM_IO_STATUS_ERROR:
            fail("pgm_recvmsgv: %s", error != NULL ? error->message : "an error");
        default:
            wait_for_packet(1);
        }
        if (tally_complete())
            reason = "all";
        else if (input_ended())
            reason = "input";
        else if (tally_idle())
            reason = "idle";
    }
    say("resets %llu", (unsigned long long)resets);
    report_tally(reason);
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv)
{
    parse_arguments(argc, argv);
    const char *role = argument("role", NULL);
    if (strcmp(role, "send") == 0)
        send_all();
    else if (strcmp(role, "receive") == 0)
        receive_all();
    else
        fail("role=%s is neither send nor receive", role);
    return 0;
}
