/* peer is the libzmq end of the interop suite: a child process that the tests
 * drive with one command a line on standard input, answered by one line on
 * standard output, "ok ..." or "err NAME detail".
 *
 *   socket TYPE                            ok HANDLE
 *   set H OPTION VALUE                     VALUE is an integer or x:HEX
 *   get H OPTION                           ok INTEGER
 *   bind|connect|unbind|disconnect H ENDPOINT   ok LAST_ENDPOINT
 *   close H
 *   send|try H FRAME...                    FRAME is x:HEX or g:SIZE:SEQ:SEED
 *   recv H MS                              ok FRAMES LENGTH:CRC32:HEX..., HEX of the first octets
 *   property H NAME MS                     receives; ok VALUE of the last frame's property
 *   stream H COUNT SIZE SEED PARTS [FRAME...]   FRAMEs go in front of each message
 *   drain H COUNT SIZE SEED PARTS SKIP MS  receives and checks what stream sends
 *   ask H COUNT SIZE SEED PARTS SKIP MS WINDOW [FRAME...]
 *                                          stream and drain, at most WINDOW messages unanswered
 *   echo H COUNT MS
 *   fill H SIZE MS                         sends until MS go by without room; ok COUNT
 *   monitor H
 *   event H MASK MS                        ok EVENT VALUE ENDPOINT
 *   proxy H H                              forwards until the next line arrives
 *   quit
 *
 * It cannot outlive its test: it ends when standard input does, each wait has
 * a limit, and an alarm ends it whatever happens. */

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum { MAX_SOCKETS = 128, MAX_FRAMES = 1100, LIFETIME_SECONDS = 150, FILL_PERIOD = 1009, SHOWN_OCTETS = 300 };

struct frame {
    unsigned char *data;
    size_t size;
};

struct message {
    int count;
    zmq_msg_t frames[MAX_FRAMES];
};

static void *context;
static void *sockets[MAX_SOCKETS];
static void *monitors[MAX_SOCKETS];
static int socket_count;

static const char *error_name(int code)
{
    switch (code) {
    case EAGAIN: return "EAGAIN";
    case EINVAL: return "EINVAL";
    case EFSM: return "EFSM";
    case EHOSTUNREACH: return "EHOSTUNREACH";
    case EADDRINUSE: return "EADDRINUSE";
    case ENOENT: return "ENOENT";
    case ENOTSUP: return "ENOTSUP";
    default: return "EOTHER";
    }
}

static void reply(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static void reply_errno(const char *what)
{
    int code = zmq_errno();
    reply("err %s %s: %s", error_name(code), what, zmq_strerror(code));
}

static void reply_status(int rc, const char *what)
{
    if (rc < 0)
        reply_errno(what);
    else
        reply("ok");
}

/* CRC-32 as in zlib and Go's hash/crc32, eight octets a step: 10 MiB bodies
 * are summed once for each of a few hundred rows. */
static uint32_t crc_table[8][256];

static void make_crc_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
        crc_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            crc_table[t][i] = (crc_table[t - 1][i] >> 8) ^ crc_table[0][crc_table[t - 1][i] & 255];
}

static uint32_t crc32_of(const unsigned char *p, size_t size)
{
    uint32_t c = 0xffffffffu;
    for (; size >= 8; size -= 8, p += 8) {
        c ^= (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
        c = crc_table[7][c & 255] ^ crc_table[6][c >> 8 & 255] ^ crc_table[5][c >> 16 & 255] ^ crc_table[4][c >> 24]
            ^ crc_table[3][p[4]] ^ crc_table[2][p[5]] ^ crc_table[1][p[6]] ^ crc_table[0][p[7]];
    }
    while (size--)
        c = crc_table[0][(c ^ *p++) & 255] ^ (c >> 8);
    return c ^ 0xffffffffu;
}

/* make_body fills p with what (size, seq, seed) stands for. The same function
 * exists in body_test.go and peer.py. From 12 octets on, a body starts with seq and
 * ends with a checksum of all that precedes it. */
static void make_body(unsigned char *p, size_t size, uint64_t seq, uint64_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + seq;
    for (size_t i = 0; i < size && i < FILL_PERIOD; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        p[i] = x >> 56;
    }
    for (size_t done = FILL_PERIOD; done < size; done += FILL_PERIOD)
        memcpy(p + done, p, size - done < FILL_PERIOD ? size - done : FILL_PERIOD);
    if (size < 12)
        return;
    for (int i = 0; i < 8; i++)
        p[i] = seq >> (56 - 8 * i);
    uint32_t sum = crc32_of(p, size - 4);
    for (int i = 0; i < 4; i++)
        p[size - 4 + i] = sum >> (24 - 8 * i);
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* parse_frame turns x:HEX or g:SIZE:SEQ:SEED into octets on the heap. */
static struct frame parse_frame(const char *token)
{
    struct frame f = {NULL, 0};
    if (token[0] == 'g') {
        char *next;
        f.size = strtoull(token + 2, &next, 10);
        uint64_t seq = strtoull(next + 1, &next, 10);
        uint64_t seed = strtoull(next + 1, &next, 10);
        f.data = malloc(f.size + 1);
        make_body(f.data, f.size, seq, seed);
        return f;
    }
    f.size = strlen(token + 2) / 2;
    f.data = malloc(f.size + 1);
    for (size_t i = 0; i < f.size; i++)
        f.data[i] = hex_digit(token[2 + 2 * i]) << 4 | hex_digit(token[3 + 2 * i]);
    return f;
}

static void *the_socket(char **cursor, int *handle)
{
    char *token = strsep(cursor, " ");
    int h = token ? atoi(token) : -1;
    if (handle)
        *handle = h;
    return h >= 0 && h < socket_count ? sockets[h] : NULL;
}

static unsigned long long number(char **cursor)
{
    char *token = strsep(cursor, " ");
    return token ? strtoull(token, NULL, 10) : 0;
}

static void limit_wait(void *s, int option, int ms)
{
    zmq_setsockopt(s, option, &ms, sizeof ms);
}

static void free_message(struct message *m)
{
    for (int i = 0; i < m->count; i++)
        zmq_msg_close(&m->frames[i]);
    m->count = 0;
}

static int receive(void *s, struct message *m)
{
    m->count = 0;
    do {
        if (m->count == MAX_FRAMES) {
            errno = EINVAL;
            return -1;
        }
        zmq_msg_init(&m->frames[m->count]);
        if (zmq_msg_recv(&m->frames[m->count], s, 0) < 0)
            return -1;
    } while (zmq_msg_more(&m->frames[m->count++]));
    return 0;
}

static void do_socket(char **cursor)
{
    static const struct { const char *name; int type; } types[] = {
        {"PAIR", ZMQ_PAIR}, {"PUB", ZMQ_PUB}, {"SUB", ZMQ_SUB}, {"REQ", ZMQ_REQ}, {"REP", ZMQ_REP},
        {"DEALER", ZMQ_DEALER}, {"ROUTER", ZMQ_ROUTER}, {"PULL", ZMQ_PULL}, {"PUSH", ZMQ_PUSH},
        {"XPUB", ZMQ_XPUB}, {"XSUB", ZMQ_XSUB}, {"STREAM", ZMQ_STREAM}};
    char *name = strsep(cursor, " ");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(name, types[i].name) != 0)
            continue;
        if (socket_count == MAX_SOCKETS) {
            reply("err EMFILE too many sockets");
            return;
        }
        void *s = zmq_socket(context, types[i].type);
        if (!s) {
            reply_errno("socket");
            return;
        }
        sockets[socket_count] = s;
        reply("ok %d", socket_count++);
        return;
    }
    reply("err EINVAL no type %s", name);
}

static void do_set(char **cursor)
{
    void *s = the_socket(cursor, NULL);
    int option = number(cursor);
    char *value = strsep(cursor, " ");
    int rc;
    if (strncmp(value, "x:", 2) == 0) {
        struct frame f = parse_frame(value);
        rc = zmq_setsockopt(s, option, f.data, f.size);
        free(f.data);
    } else if (option == ZMQ_MAXMSGSIZE) {
        int64_t n = atoll(value);
        rc = zmq_setsockopt(s, option, &n, sizeof n);
    } else {
        int n = atoi(value);
        rc = zmq_setsockopt(s, option, &n, sizeof n);
    }
    reply_status(rc, "setsockopt");
}

static void do_get(char **cursor)
{
    void *s = the_socket(cursor, NULL);
    int value = 0;
    size_t size = sizeof value;
    if (zmq_getsockopt(s, number(cursor), &value, &size) < 0)
        reply_errno("getsockopt");
    else
        reply("ok %d", value);
}

static void do_endpoint(char **cursor, int (*call)(void *, const char *), const char *what)
{
    void *s = the_socket(cursor, NULL);
    char last[1024] = "";
    size_t size = sizeof last;
    if (call(s, *cursor) < 0) {
        reply_errno(what);
        return;
    }
    zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, last, &size);
    reply("ok %s", last);
}

static void do_close(char **cursor)
{
    int h;
    void *s = the_socket(cursor, &h);
    if (monitors[h])
        zmq_close(monitors[h]);
    monitors[h] = NULL;
    sockets[h] = NULL;
    reply_status(zmq_close(s), "close");
}

static int send_tokens(void *s, char *tokens, int flags)
{
    char *token = strsep(&tokens, " ");
    while (token) {
        char *next = strsep(&tokens, " ");
        struct frame f = parse_frame(token);
        int rc = zmq_send(s, f.data, f.size, flags | (next ? ZMQ_SNDMORE : 0));
        free(f.data);
        if (rc < 0)
            return -1;
        token = next;
    }
    return 0;
}

static void do_send(char **cursor, int flags)
{
    void *s = the_socket(cursor, NULL);
    reply_status(send_tokens(s, *cursor, flags), "send");
}

static void do_recv(char **cursor)
{
    static struct message m;
    void *s = the_socket(cursor, NULL);
    limit_wait(s, ZMQ_RCVTIMEO, number(cursor));
    if (receive(s, &m) < 0) {
        reply_errno("recv");
        return;
    }
    printf("ok %d", m.count);
    for (int i = 0; i < m.count; i++) {
        unsigned char *p = zmq_msg_data(&m.frames[i]);
        size_t size = zmq_msg_size(&m.frames[i]);
        printf(" %zu:%08x:", size, crc32_of(p, size));
        for (size_t k = 0; k < size && k < SHOWN_OCTETS; k++)
            printf("%02x", p[k]);
    }
    free_message(&m);
    reply("");
}

static void do_property(char **cursor)
{
    static struct message m;
    void *s = the_socket(cursor, NULL);
    char *name = strsep(cursor, " ");
    limit_wait(s, ZMQ_RCVTIMEO, number(cursor));
    if (receive(s, &m) < 0) {
        reply_errno("recv");
        return;
    }
    const char *value = zmq_msg_gets(&m.frames[m.count - 1], name);
    if (value)
        reply("ok %s", value);
    else
        reply_errno("msg_gets");
    free_message(&m);
}

/* What a stream looks like: message i has 1 + i % parts frames of size octets;
 * frame k of message i is the body of (size, i << 8 | k, seed). */
struct shape {
    uint64_t count, size, seed, parts;
    unsigned char *scratch;
};

static struct shape parse_shape(char **cursor)
{
    struct shape sh;
    sh.count = number(cursor);
    sh.size = number(cursor);
    sh.seed = number(cursor);
    sh.parts = number(cursor);
    sh.scratch = malloc(sh.size + 1);
    return sh;
}

/* Frames that a command line puts in front of each message it sends. */
struct prefix {
    int count;
    struct frame frames[8];
};

static struct prefix parse_prefix(char **cursor)
{
    struct prefix p = {0};
    for (char *token; p.count < 8 && (token = strsep(cursor, " ")); p.count++)
        p.frames[p.count] = parse_frame(token);
    return p;
}

static int send_shaped(void *s, const struct shape *sh, uint64_t i, const struct prefix *prefix)
{
    for (int k = 0; k < prefix->count; k++)
        if (zmq_send(s, prefix->frames[k].data, prefix->frames[k].size, ZMQ_SNDMORE) < 0)
            return -1;
    uint64_t last = i % sh->parts;
    for (uint64_t k = 0; k <= last; k++) {
        make_body(sh->scratch, sh->size, i << 8 | k, sh->seed);
        if (zmq_send(s, sh->scratch, sh->size, k < last ? ZMQ_SNDMORE : 0) < 0)
            return -1;
    }
    return 0;
}

/* check_shaped replies with an error and returns -1 if m is not message i. */
static int check_shaped(const struct message *m, const struct shape *sh, uint64_t i, int skip)
{
    uint64_t want = 1 + i % sh->parts;
    if ((uint64_t) m->count != want + skip) {
        reply("err ESTREAM message %llu has %d frames, want %llu and %d in front",
              (unsigned long long) i, m->count, (unsigned long long) want, skip);
        return -1;
    }
    for (uint64_t k = 0; k < want; k++) {
        const zmq_msg_t *f = &m->frames[skip + k];
        make_body(sh->scratch, sh->size, i << 8 | k, sh->seed);
        if (zmq_msg_size(f) != sh->size || memcmp(zmq_msg_data((zmq_msg_t *) f), sh->scratch, sh->size) != 0) {
            reply("err ESTREAM message %llu frame %llu differs, %zu octets",
                  (unsigned long long) i, (unsigned long long) k, zmq_msg_size(f));
            return -1;
        }
    }
    return 0;
}

static void do_stream(char **cursor)
{
    void *s = the_socket(cursor, NULL);
    struct shape sh = parse_shape(cursor);
    struct prefix prefix = parse_prefix(cursor);
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < sh.count; i++)
        rc = send_shaped(s, &sh, i, &prefix);
    reply_status(rc, "stream");
}

/* take_shaped receives and checks message i, and replies if it cannot. */
static int take_shaped(void *s, const struct shape *sh, uint64_t i, int skip)
{
    static struct message m;
    if (receive(s, &m) < 0) {
        reply("err %s received %llu of %llu", error_name(zmq_errno()), (unsigned long long) i, (unsigned long long) sh->count);
        return -1;
    }
    int rc = check_shaped(&m, sh, i, skip);
    free_message(&m);
    return rc;
}

static void do_drain(char **cursor)
{
    void *s = the_socket(cursor, NULL);
    struct shape sh = parse_shape(cursor);
    int skip = number(cursor);
    limit_wait(s, ZMQ_RCVTIMEO, number(cursor));
    for (uint64_t i = 0; i < sh.count; i++)
        if (take_shaped(s, &sh, i, skip) < 0)
            return;
    reply("ok");
}

static void do_ask(char **cursor)
{
    void *s = the_socket(cursor, NULL);
    struct shape sh = parse_shape(cursor);
    int skip = number(cursor);
    limit_wait(s, ZMQ_RCVTIMEO, number(cursor));
    uint64_t window = number(cursor), sent = 0;
    struct prefix prefix = parse_prefix(cursor);
    for (uint64_t i = 0; i < sh.count; i++) {
        for (; sent < sh.count && sent - i < window; sent++)
            if (send_shaped(s, &sh, sent, &prefix) < 0) {
                reply_errno("ask");
                return;
            }
        if (take_shaped(s, &sh, i, skip) < 0)
            return;
    }
    reply("ok");
}

static int forward(void *from, void *to)
{
    static struct message m;
    if (receive(from, &m) < 0)
        return -1;
    for (int k = 0; k < m.count; k++)
        if (zmq_msg_send(&m.frames[k], to, k + 1 < m.count ? ZMQ_SNDMORE : 0) < 0) {
            free_message(&m);
            return -1;
        }
    m.count = 0;
    return 0;
}

static void do_echo(char **cursor)
{
    void *s = the_socket(cursor, NULL);
    uint64_t count = number(cursor), i;
    limit_wait(s, ZMQ_RCVTIMEO, number(cursor));
    for (i = 0; i < count && forward(s, s) == 0; i++)
        ;
    if (i < count)
        reply("err %s echoed %llu of %llu", error_name(zmq_errno()), (unsigned long long) i, (unsigned long long) count);
    else
        reply("ok");
}

static void do_fill(char **cursor)
{
    void *s = the_socket(cursor, NULL);
    size_t size = number(cursor);
    limit_wait(s, ZMQ_SNDTIMEO, number(cursor));
    unsigned char *body = malloc(size + 1);
    uint64_t n = 0;
    for (;; n++) {
        make_body(body, size, n << 8, 1);
        if (zmq_send(s, body, size, 0) < 0)
            break;
    }
    if (zmq_errno() == EAGAIN)
        reply("ok %llu", (unsigned long long) n);
    else
        reply_errno("fill");
    free(body);
}

static void do_monitor(char **cursor)
{
    int h;
    void *s = the_socket(cursor, &h);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "inproc://monitor-%d", h);
    monitors[h] = zmq_socket(context, ZMQ_PAIR);
    if (zmq_socket_monitor(s, endpoint, ZMQ_EVENT_ALL) < 0 || zmq_connect(monitors[h], endpoint) < 0)
        reply_errno("monitor");
    else
        reply("ok");
}

/* do_event passes over events that are not in MASK. */
static void do_event(char **cursor)
{
    static struct message m;
    int h;
    the_socket(cursor, &h);
    int mask = number(cursor);
    limit_wait(monitors[h], ZMQ_RCVTIMEO, number(cursor));
    while (receive(monitors[h], &m) == 0) {
        uint16_t event;
        uint32_t value;
        memcpy(&event, zmq_msg_data(&m.frames[0]), 2);
        memcpy(&value, (char *) zmq_msg_data(&m.frames[0]) + 2, 4);
        if (event & mask) {
            reply("ok %d %u %.*s", event, value, (int) zmq_msg_size(&m.frames[1]), (char *) zmq_msg_data(&m.frames[1]));
            free_message(&m);
            return;
        }
        free_message(&m);
    }
    reply_errno("event");
}

static void do_proxy(char **cursor)
{
    void *front = the_socket(cursor, NULL), *back = the_socket(cursor, NULL);
    zmq_pollitem_t items[] = {{front, 0, ZMQ_POLLIN, 0}, {back, 0, ZMQ_POLLIN, 0}, {NULL, STDIN_FILENO, ZMQ_POLLIN, 0}};
    reply("ok");
    while (zmq_poll(items, 3, -1) >= 0 && !items[2].revents) {
        if (items[0].revents)
            forward(front, back);
        if (items[1].revents)
            forward(back, front);
    }
}

static int dispatch(const char *verb, char **cursor)
{
    if (!strcmp(verb, "socket")) do_socket(cursor);
    else if (!strcmp(verb, "set")) do_set(cursor);
    else if (!strcmp(verb, "get")) do_get(cursor);
    else if (!strcmp(verb, "bind")) do_endpoint(cursor, zmq_bind, verb);
    else if (!strcmp(verb, "connect")) do_endpoint(cursor, zmq_connect, verb);
    else if (!strcmp(verb, "unbind")) do_endpoint(cursor, zmq_unbind, verb);
    else if (!strcmp(verb, "disconnect")) do_endpoint(cursor, zmq_disconnect, verb);
    else if (!strcmp(verb, "close")) do_close(cursor);
    else if (!strcmp(verb, "send")) do_send(cursor, 0);
    else if (!strcmp(verb, "try")) do_send(cursor, ZMQ_DONTWAIT);
    else if (!strcmp(verb, "recv")) do_recv(cursor);
    else if (!strcmp(verb, "property")) do_property(cursor);
    else if (!strcmp(verb, "stream")) do_stream(cursor);
    else if (!strcmp(verb, "drain")) do_drain(cursor);
    else if (!strcmp(verb, "ask")) do_ask(cursor);
    else if (!strcmp(verb, "echo")) do_echo(cursor);
    else if (!strcmp(verb, "fill")) do_fill(cursor);
    else if (!strcmp(verb, "monitor")) do_monitor(cursor);
    else if (!strcmp(verb, "event")) do_event(cursor);
    else if (!strcmp(verb, "proxy")) do_proxy(cursor);
    else return -1;
    return 0;
}

int main(void)
{
    int major, minor, patch;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    alarm(LIFETIME_SECONDS);
    make_crc_table();
    context = zmq_ctx_new();
    zmq_version(&major, &minor, &patch);
    reply("ok %d.%d.%d", major, minor, patch);
    while ((n = getline(&line, &room, stdin)) > 0) {
        line[n - 1] = 0;
        char *cursor = line;
        char *verb = strsep(&cursor, " ");
        if (!strcmp(verb, "quit"))
            break;
        if (dispatch(verb, &cursor) < 0)
            reply("err EINVAL no command %s", verb);
    }
    return 0; /* without zmq_ctx_term: nothing unsent is of use to the test */
}
