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
 *
 * A sender refuses messages that need fragments: Debian's OpenPGM 5.3.128 does
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

enum { BATCH = 16, MAX_APDU = 1 << 16, MAX_POLLS = 8 };

static pgm_sock_t *sock;

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

static void send_all(void)
{
    struct plan plan = read_plan(1);
    join(true);
    int most;
    socklen_t length = sizeof most;
    if (!pgm_getsockopt(sock, IPPROTO_PGM, PGM_MSS, &most, &length))
        fail("PGM_MSS is refused");
    if (largest(&plan) > (size_t)most)
        fail("size=%zu needs fragments: the most is %d", largest(&plan), most);
    unsigned char *part = malloc(largest(&plan));
    if (part == NULL)
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
        size_t size = size_of(&plan, n), sent;
        write_part(part, size, &plan, n, 0, stamp);
        int status = pgm_send(sock, part, size, &sent);
        if (status == PGM_IO_STATUS_NORMAL)
            n++;
        else if (status == PGM_IO_STATUS_ERROR)
            fail("pgm_send: an error");
        else
            repair(); /* the rate is used up, or the kernel's buffer full */
    }
    say("done %lld", (long long)plan.count);
    while (!input_ended()) {
        repair();
        wait_for_packet(1);
    }
    pgm_close(sock, true);
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
        tally_part(whole, size, false);
        done += size;
    }
}

static void receive_all(void)
{
    start_tally();
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
