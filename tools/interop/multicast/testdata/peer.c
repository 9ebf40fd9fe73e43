#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 64, LATENCIES = 1 << 20 };

static char **arguments;
static int argument_count;
static bool asked[MAX_ARGUMENTS];

void say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
    fflush(stdout);
}

void fail(const char *format, ...)
{
    char text[500];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    say("error %s", text);
    _exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        fail("no memory for %zu times %zu octets", count, size);
    return memory;
}

void parse_arguments(int argc, char **argv)
{
    if (argc - 1 > MAX_ARGUMENTS)
        fail("more than %d arguments", MAX_ARGUMENTS);
    arguments = argv + 1;
    argument_count = argc - 1;
    alarm((unsigned)number("lifetime", 120, 1, 3600));
}

const char *argument(const char *key, const char *otherwise)
{
    size_t length = strlen(key);
    for (int i = 0; i < argument_count; i++)
        if (strncmp(arguments[i], key, length) == 0 && arguments[i][length] == '=') {
            asked[i] = true;
            return arguments[i] + length + 1;
        }
    if (otherwise == NULL)
        fail("%s= is missing", key);
    return otherwise;
}

static int64_t parse_number(const char *key, const char *text, int64_t least, int64_t most)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most)
        fail("%s=%s is no number from %lld to %lld", key, text, (long long)least, (long long)most);
    return value;
}

int64_t number(const char *key, int64_t otherwise, int64_t least, int64_t most)
{
    const char *text = argument(key, "");
    return *text == '\0' ? otherwise : parse_number(key, text, least, most);
}

void check_arguments(void)
{
    for (int i = 0; i < argument_count; i++)
        if (!asked[i])
            fail("what is %s?", arguments[i]);
}

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

bool input_ended(void)
{
    static bool ended;
    struct pollfd p = {.fd = 0, .events = POLLIN};
    char skipped[100];
    while (!ended && poll(&p, 1, 0) > 0)
        ended = read(0, skipped, sizeof skipped) <= 0;
    return ended;
}

void wait_for_line(void)
{
    char c = 0;
    while (c != '\n')
        if (read(0, &c, 1) <= 0)
            fail("standard input ended before there was a line");
}

/* Messages. */

static void put32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t get64(const unsigned char *at)
{
    return (uint64_t)get32(at) << 32 | get32(at + 4);
}

static uint32_t crc_table[256];

static uint32_t crc_more(uint32_t crc, const unsigned char *octets, size_t size)
{
    if (crc_table[1] == 0)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int k = 0; k < 8; k++)
                c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
            crc_table[i] = c;
        }
    for (size_t i = 0; i < size; i++)
        crc = crc_table[(crc ^ octets[i]) & 0xff] ^ crc >> 8;
    return crc;
}

static uint32_t crc_of(const unsigned char *part, size_t size)
{
    uint32_t crc = crc_more(0xffffffffu, part, HEADER_OCTETS - 4);
    return ~crc_more(crc, part + HEADER_OCTETS, size - HEADER_OCTETS);
}

struct plan read_plan(int most_parts)
{
    struct plan p = {
        .source = (uint32_t)number("source", 1, 0, UINT32_MAX),
        .count = number("count", 1000, 0, INT64_C(1) << 40),
        .rate = number("rate", 0, 0, 1000000000),
        .parts = (int)number("parts", 1, 1, most_parts),
    };
    char text[300];
    snprintf(text, sizeof text, "%s", argument("size", "256"));
    for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
        if (p.size_count == MAX_SIZES)
            fail("more than %d sizes", MAX_SIZES);
        p.sizes[p.size_count++] = (size_t)parse_number("size", word, HEADER_OCTETS, MAX_PART);
    }
    if (p.size_count == 0)
        fail("size= names no size");
    return p;
}

size_t size_of(const struct plan *p, int64_t sequence) { return p->sizes[sequence % p->size_count]; }

size_t largest(const struct plan *p)
{
    size_t most = 0;
    for (int i = 0; i < p->size_count; i++)
        if (p->sizes[i] > most)
            most = p->sizes[i];
    return most;
}

int64_t due(const struct plan *p, int64_t sequence)
{
    if (p->rate == 0)
        return now_ns();
    return p->start + (int64_t)((double)sequence * 1e9 / (double)p->rate);
}

void write_part(unsigned char *part, size_t size, const struct plan *p, int64_t sequence, int number, int64_t stamp)
{
    put32(part, p->source);
    put32(part + 4, (uint32_t)size);
    put32(part + 8, (uint32_t)((uint64_t)sequence >> 32));
    put32(part + 12, (uint32_t)sequence);
    put32(part + 16, (uint32_t)((uint64_t)stamp >> 32));
    put32(part + 20, (uint32_t)stamp);
    put32(part + 24, (uint32_t)number << 16 | (uint32_t)p->parts);
    for (size_t i = HEADER_OCTETS; i < size; i++)
        part[i] = (unsigned char)(i * 31 + (size_t)sequence * 7 + (size_t)number);
    put32(part + 28, crc_of(part, size));
}

/* Tallies. */

struct tally {
    uint32_t source;
    bool used;
    uint64_t received, duplicate, late, first, last, highest;
    unsigned char *seen; /* a bit for each number below the count */
    int64_t *latency;
    size_t latencies;
};

static struct tally tallies[MAX_SOURCES];
static int64_t expected, sources, idle_ns;
static uint64_t corrupt, torn;
static bool each;
static int64_t last_message;
static struct {
    bool open, bad;
    uint32_t source, parts, next;
    uint64_t sequence, size;
} message;

void start_tally(void)
{
    expected = number("count", 1000, 1, 100000000);
    sources = number("sources", 1, 1, MAX_SOURCES);
    idle_ns = number("idle", 0, 0, 3600000) * 1000000;
    each = number("each", 0, 0, 1) == 1;
    last_message = now_ns();
}

static struct tally *tally_of(uint32_t source)
{
    for (int i = 0; i < MAX_SOURCES; i++) {
        struct tally *t = &tallies[i];
        if (!t->used) {
            t->used = true;
            t->source = source;
            t->seen = allocate((size_t)expected / 8 + 1, 1);
            t->latency = allocate(LATENCIES, sizeof *t->latency);
        }
        if (t->source == source)
            return t;
    }
    fail("more than %d sources", MAX_SOURCES);
}

static bool is_seen(const struct tally *t, uint64_t n) { return t->seen[n / 8] >> n % 8 & 1; }

static void tally_message(int64_t latency)
{
    struct tally *t = tally_of(message.source);
    uint64_t n = message.sequence;
    if (each)
        say("message %u %llu %llu %u", message.source, (unsigned long long)n, (unsigned long long)message.size, message.parts);
    if (n >= (uint64_t)expected)
        fail("source %u sent number %llu, and count=%lld", message.source, (unsigned long long)n, (long long)expected);
    if (is_seen(t, n)) {
        t->duplicate++;
        return;
    }
    t->seen[n / 8] |= (unsigned char)(1 << n % 8);
    if (t->received == 0)
        t->first = t->highest = n;
    if (n < t->highest)
        t->late++;
    else
        t->highest = n;
    t->last = n;
    t->received++;
    if (t->latencies < LATENCIES)
        t->latency[t->latencies++] = latency;
}

void tally_part(const unsigned char *part, size_t size, bool more)
{
    int64_t now = now_ns();
    last_message = now;
    if (!message.open) {
        memset(&message, 0, sizeof message);
        message.open = true;
    }
    bool good = size >= HEADER_OCTETS && get32(part + 4) == size && get32(part + 28) == crc_of(part, size);
    if (good) {
        uint32_t source = get32(part), place = get32(part + 24);
        uint64_t sequence = get64(part + 8);
        if (message.next == 0) {
            message.source = source;
            message.sequence = sequence;
            message.parts = place & 0xffff;
        }
        message.bad = message.bad || source != message.source || sequence != message.sequence ||
                      place != (message.next << 16 | message.parts);
        message.size += size;
    } else {
        corrupt++;
    }
    message.bad = message.bad || !good;
    message.next++;
    if (more)
        return;
    message.open = false;
    if (!message.bad && message.next == message.parts)
        tally_message(now - (int64_t)get64(part + 16));
    else if (good)
        torn++;
}

bool tally_complete(void)
{
    int complete = 0;
    for (int i = 0; i < MAX_SOURCES && tallies[i].used; i++)
        complete += tallies[i].received == (uint64_t)expected;
    return complete >= sources;
}

bool tally_idle(void) { return idle_ns > 0 && now_ns() - last_message >= idle_ns; }

int tally_wait_ms(void)
{
    int64_t left = idle_ns > 0 ? (last_message + idle_ns - now_ns()) / 1000000 + 1 : 100;
    return left < 0 ? 0 : left > 100 ? 100 : (int)left;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void report_missing(const struct tally *t)
{
    printf(" missing %llu ", (unsigned long long)((uint64_t)expected - t->received));
    int ranges = 0;
    for (int64_t n = 0; n < expected; n++) {
        if (is_seen(t, (uint64_t)n))
            continue;
        int64_t from = n;
        while (n + 1 < expected && !is_seen(t, (uint64_t)n + 1))
            n++;
        if (ranges++ == MAX_RANGES) {
            printf(",...");
            return;
        }
        printf("%s%lld-%lld", ranges > 1 ? "," : "", (long long)from, (long long)n);
    }
    if (ranges == 0)
        printf("-");
}

static double percentile(const struct tally *t, double p)
{
    return (double)t->latency[(size_t)((double)(t->latencies - 1) * p)] / 1e3;
}

void report_tally(const char *reason)
{
    for (int i = 0; i < MAX_SOURCES && tallies[i].used; i++) {
        struct tally *t = &tallies[i];
        printf("source %u received %llu first %llu last %llu", t->source, (unsigned long long)t->received,
               (unsigned long long)t->first, (unsigned long long)t->last);
        report_missing(t);
        say(" duplicate %llu late %llu corrupt %llu torn %llu", (unsigned long long)t->duplicate,
            (unsigned long long)t->late, (unsigned long long)corrupt, (unsigned long long)torn);
        qsort(t->latency, t->latencies, sizeof *t->latency, compare);
        say("latency %u p50 %.0f p90 %.0f p99 %.0f p99.9 %.0f max %.0f", t->source, percentile(t, 0.5), percentile(t, 0.9),
            percentile(t, 0.99), percentile(t, 0.999), percentile(t, 1));
    }
    say("end %s", reason);
}
