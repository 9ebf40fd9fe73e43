/*
 * What the C peers of the multicast interop tests have in common: their
 * arguments, the messages they send and check, and the lines they write.
 *
 *   zpub.c   publishes with libzmq
 *   zsub.c   subscribes with libzmq
 *   opgm.c   sends or receives with OpenPGM itself
 *
 * Arguments are of the form key=value; those of all are
 *
 *   source=N       of a sender: the number in its messages, default 1
 *   count=N        messages to send, or to receive of each source
 *   size=A,B,...   octets of a part, at least 32; messages take turns, default 256
 *   parts=N        of each message, default 1; OpenPGM has messages of one only
 *   rate=N         messages a second, 0 (default) as fast as can be
 *   sources=N      of a receiver: from how many sources count messages are to come, default 1
 *   idle=MS        of a receiver: ends when nothing has come for that long, 0 (default) waits on
 *   each=1         of a receiver: writes a line for each message
 *   lifetime=S     ends the program whatever happens, default 120
 *
 * All write "ready" when they have joined. A sender then waits for a line on
 * standard input, sends, writes "done COUNT", and repairs until standard input
 * ends. A receiver goes on until all is there, or nothing comes for idle, or
 * standard input ends, and then writes for each source
 *
 *   source N received R first F last L missing M RANGES duplicate D late O corrupt C torn T
 *   latency N p50 P p90 P p99 P p99.9 P max P      in microseconds
 *
 * and "end REASON" (all, idle or input). RANGES are like 3-5,9-9, or "-", and
 * "..." if there are more than MAX_RANGES; a message is late that comes after one
 * with a higher number, corrupt if its check fails, and torn if its parts do not
 * belong together; neither of the two counts as received. What is wrong with the
 * program or its arguments is a line "error TEXT" and exit code 1.
 *
 * A part is, in network order:
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                            Source                             |
 *   |                         Size of the part                      |
 *   |                      Sequence number, from 0                  |
 *   |                          (64 bits)                            |
 *   |             CLOCK_MONOTONIC when it was to be sent, ns         |
 *   |                          (64 bits)                            |
 *   |     Number of the part        |        Parts in all           |
 *   |        CRC-32 (IEEE) of all but this field                    |
 *   |     filler: octet i is (i * 31 + sequence * 7 + part) mod 256 |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEADER_OCTETS = 32, MAX_PART = 64 << 20, MAX_PARTS = 1000, MAX_SOURCES = 16, MAX_SIZES = 16, MAX_RANGES = 64 };

/* Arguments. An unknown key is an error, once all have been asked for. */
void parse_arguments(int argc, char **argv);
const char *argument(const char *key, const char *otherwise);
int64_t number(const char *key, int64_t otherwise, int64_t least, int64_t most);
void check_arguments(void);

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

int64_t now_ns(void);
void wait_for_line(void);

/* What a sender sends. */
struct plan {
    uint32_t source;
    int64_t count;
    int64_t rate;
    int parts;
    size_t sizes[MAX_SIZES];
    int size_count;
    int64_t start; /* set before the first message */
};

struct plan read_plan(int most_parts);
size_t largest(const struct plan *p);
size_t size_of(const struct plan *p, int64_t sequence);
int64_t due(const struct plan *p, int64_t sequence); /* when to send it; now, without a rate */
void write_part(unsigned char *part, size_t size, const struct plan *p, int64_t sequence, int number, int64_t stamp);

/* What a receiver has received. */
void start_tally(void);
void tally_part(const unsigned char *part, size_t size, bool more);
bool tally_complete(void);
bool tally_idle(void); /* idle has passed since the last message */
int tally_wait_ms(void); /* until idle may have passed, at most 100 */
bool input_ended(void); /* without waiting */
void report_tally(const char *reason);

#endif
