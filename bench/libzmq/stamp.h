/* Writes and checks the contents of messages: bit for bit as ../stamp.go. */
#ifndef STAMP_H
#define STAMP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "numbers in messages are little-endian, and so must the machine be"
#endif

enum { TOPIC_SIZE = 8, FULL_EVERY = 16, END_SIZE = 9, STAMP_SMALL = 8, STAMP_TIME = 24 };

static inline size_t stamp_prefix(void) { return job.topics > 0 ? TOPIC_SIZE : 0; }

static inline uint64_t stamp_mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccd;
	return x ^ x >> 33;
}

static inline uint64_t stamp_sum(uint64_t seq)
{
	return stamp_mix(seq ^ (uint64_t)job.size << 48);
}

static inline uint32_t get32(const uint8_t *b)
{
	uint32_t x;
	memcpy(&x, b, sizeof x);
	return x;
}

static inline uint64_t get64(const uint8_t *b)
{
	uint64_t x;
	memcpy(&x, b, sizeof x);
	return x;
}

static inline void put32(uint8_t *b, uint32_t x) { memcpy(b, &x, sizeof x); }
static inline void put64(uint8_t *b, uint64_t x) { memcpy(b, &x, sizeof x); }

/* A message, all of it filled but the stamp. */
static inline uint8_t *stamp_new(void)
{
	uint8_t *body = malloc((size_t)job.size);
	if (body == NULL)
		fail("no memory for a message");
	for (int64_t i = 0; i < job.size; i++)
		body[i] = (uint8_t)(131 * i + 7);
	return body;
}

static inline void stamp_topic(uint8_t *body, uint64_t topic)
{
	for (int i = TOPIC_SIZE - 1; i >= 0; i--) {
		body[i] = (uint8_t)('0' + topic % 10);
		topic /= 10;
	}
}

/* Stamps a body that stamp_new made. */
static inline void stamp_put(uint8_t *body, uint64_t seq, int64_t intended)
{
	uint8_t *b = body + stamp_prefix();
	size_t n = (size_t)job.size - stamp_prefix();
	if (n < 16) {
		put32(b, (uint32_t)seq);
		put32(b + 4, (uint32_t)stamp_sum(seq));
		return;
	}
	if (n >= STAMP_TIME)
		put64(b + 8, (uint64_t)intended);
	put64(b, seq);
	put64(b + n - 8, stamp_sum(seq));
}

/* Makes the message that ends a stream of count; returns its size. */
static inline size_t stamp_end(uint8_t b[TOPIC_SIZE + END_SIZE], uint64_t count)
{
	size_t prefix = stamp_prefix();
	memset(b, '0', prefix);
	b[prefix] = 'E';
	put64(b + prefix + 1, count);
	return prefix + END_SIZE;
}

/* Whether a message ends a stream, and of how many. */
static inline bool stamp_is_end(const uint8_t *body, size_t size, uint64_t *count)
{
	if (size != stamp_prefix() + END_SIZE || body[stamp_prefix()] != 'E')
		return false;
	*count = get64(body + stamp_prefix() + 1);
	return true;
}

/* The intended time in a body that was checked, or 0. */
static inline int64_t stamp_intended(const uint8_t *body)
{
	if ((size_t)job.size - stamp_prefix() < STAMP_TIME)
		return 0;
	return (int64_t)get64(body + stamp_prefix() + 8);
}

/*
 * Checks a message, and that it is number want, unless any number will do.
 * Returns the number. Filled is another message of stamp_new.
 */
static inline uint64_t stamp_check(const uint8_t *filled, const uint8_t *body, size_t size,
				   uint64_t want, bool ordered)
{
	if (size != (size_t)job.size)
		fail("corrupt message: %zu octets instead of %zu", size, (size_t)job.size);
	const uint8_t *b = body + stamp_prefix();
	size_t n = size - stamp_prefix();
	uint64_t seq, sum;
	if (n < 16) {
		/* The number's upper half is not sent: it is that of the one expected. */
		seq = want + (uint64_t)(int64_t)(int32_t)(get32(b) - (uint32_t)want);
		sum = (stamp_sum(seq) & ~(uint64_t)0xffffffff) | get32(b + 4);
	} else {
		seq = get64(b);
		sum = get64(b + n - 8);
	}
	if (sum != stamp_sum(seq))
		fail("corrupt message: the check of message %ju is wrong", (uintmax_t)seq);
	if (ordered && seq != want)
		fail("message %ju came where %ju was due", (uintmax_t)seq, (uintmax_t)want);
	if (seq % FULL_EVERY == 0 && n > STAMP_TIME + 8) {
		size_t from = stamp_prefix() + STAMP_TIME;
		if (memcmp(body + from, filled + from, size - 8 - from) != 0)
			fail("corrupt message: the middle of message %ju", (uintmax_t)seq);
	}
	return seq;
}

#endif
