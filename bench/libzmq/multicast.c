/*
 * Multicast: an XPUB to a group, and SUBs on other hosts. What they do, and what
 * they say of it, is as in ../cast_source.go and ../cast_receiver.go.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "agent.h"
#include "stamp.h"

enum { MAX_PHASES = 64, RAMP = 4 /* more phases than that are one */, TAKE_BURST = 16, BEHIND = 20, RESTLESS = 100000 };

static const int64_t LEAD = 150000000;    /* at rest, from the start to the first message */
static const int64_t CAUGHT_UP = 5000000; /* the age of a message that is as new as any */
static const int64_t PATIENCE_MS = 20;    /* how late a receiver sees that time is up */

/* The schedule */

struct phase {
	int64_t rate, length;
	uint64_t messages;
};

static struct phase phases[MAX_PHASES];
static int phase_count;

static void parse_phases(void)
{
	const char *at = job.phases;
	while (at != NULL && *at != '\0') {
		struct phase *p = &phases[phase_count];
		char *end;
		if (phase_count++ == MAX_PHASES)
			fail("phases: more than %d", MAX_PHASES);
		p->rate = strtoll(at, &end, 10);
		if (*end == ':')
			p->length = strtoll(end + 1, &end, 10);
		if ((*end != '\0' && *end != ',') || p->rate <= 0 || p->length <= 0)
			fail("phases: %s is not a rate and a time", at);
		p->messages = (uint64_t)((double)p->length / (double)SECOND * (double)p->rate + 0.5);
		at = *end == ',' ? end + 1 : end;
	}
}

static int64_t length_of_stream(void)
{
	int64_t all = 0;
	for (int i = 0; i < phase_count; i++)
		all += phases[i].length;
	return phase_count > 0 ? all : job.warmup + job.duration / 8 * 9;
}

/* When message seq is due, from the first, and of which phase it is. */
static int64_t due_of(uint64_t seq, int *phase)
{
	int64_t due = 0;
	for (*phase = 0; *phase < phase_count; ++*phase) {
		const struct phase *p = &phases[*phase];
		if (seq < p->messages)
			return due + (int64_t)(seq * (uint64_t)SECOND / (uint64_t)p->rate);
		seq -= p->messages;
		due += p->length;
	}
	return due;
}

/* Which phase goes on so long after the first message. */
static int phase_at(int64_t since)
{
	int i = 0;
	for (; i < phase_count && since >= phases[i].length; i++)
		since -= phases[i].length;
	return i;
}

/* The socket */

enum { BUFFER = 4 << 20, UNLIMITED_KBIT = 2147483 /* beyond it PGM's arithmetic overflows */ };

/*
 * Recovery bounds memory too, which PGM reserves for as much as the rate could
 * send in it: the default of 10 s would be gigabytes.
 */
enum { RECOVERY_MS = 500, DEFAULT_RECOVERY_MS = 1000 };

static void open_cast(struct peer *p, int type, const char *endpoint)
{
	int64_t kbit = job.limit > 0 ? job.limit / 1000 : UNLIMITED_KBIT;
	open_peer(p, 0, type);
	set_option(p->socket, ZMQ_RATE, "ZMQ_RATE", (int)kbit);
	set_option(p->socket, ZMQ_RECOVERY_IVL, "ZMQ_RECOVERY_IVL",
		   job.defaults ? DEFAULT_RECOVERY_MS : RECOVERY_MS);
	if (!job.defaults) {
		set_option(p->socket, ZMQ_SNDBUF, "ZMQ_SNDBUF", BUFFER);
		set_option(p->socket, ZMQ_RCVBUF, "ZMQ_RCVBUF", BUFFER);
	}
	if (type == ZMQ_SUB)
		set_option(p->socket, ZMQ_RCVTIMEO, "ZMQ_RCVTIMEO", PATIENCE_MS);
	if (zmq_connect(p->socket, endpoint) == -1)
		fail("zmq_connect %s: %s", endpoint, zmq_strerror(zmq_errno()));
	say("setting ZMQ_RATE=%jd", (intmax_t)kbit);
	if (!job.defaults)
		say("setting ZMQ_RECOVERY_IVL=%d, buffers of 4 MiB", RECOVERY_MS);
}

/* The source */

static void cast_put(struct peer *p, uint8_t *body, int64_t due)
{
	stamp_put(body, p->sent, due);
	if (!send_body(p->socket, body, (size_t)job.size, 0))
		fail_call("zmq_send");
	publish(p, ++p->sent);
}

/* Sends by the schedule; a ramp ends with the phase that was too much. */
static int send_on_time(struct peer *p, uint8_t *body)
{
	int64_t begun = begin_window();
	int kept = 0;
	for (int i = 0; i < phase_count; i++) {
		for (uint64_t n = 0; n < phases[i].messages; n++) {
			int64_t due = begun + (int64_t)(n * (uint64_t)SECOND / (uint64_t)phases[i].rate);
			while (clock_ns() < due)
				if (phases[i].rate < RESTLESS)
					sleep_until(due);
			cast_put(p, body, due);
		}
		begun += phases[i].length;
		if (phase_count > RAMP && clock_ns() > begun + phases[i].length / BEHIND)
			break;
		kept++;
	}
	sleep_until(begun);
	return kept;
}

void cast_source_role(void)
{
	uint8_t end[TOPIC_SIZE + END_SIZE];
	struct peer *p = new_peers(1);
	uint8_t *body = stamp_new();
	int kept = 0;
	parse_phases();
	open_cast(p, ZMQ_XPUB, job.bind);
	say("endpoint %s", job.bind);
	await_go(true);
	watch(LEAD + length_of_stream() + GRACE, "the work");
	if (prctl(PR_SET_TIMERSLACK, 1) != 0)
		fail("prctl: %s", strerror(errno));
	sleep_until(clock_ns() + LEAD);
	start_window(p, 1, job.duration / 8);
	if (phase_count > 0)
		kept = send_on_time(p, body);
	else
		for (begin_window(); !stopped();)
			cast_put(p, body, 0);
	if (!send_body(p->socket, end, stamp_end(end, p->sent), 0))
		fail_call("zmq_send");
	end_window();
	await_end_of_input();
	say("phases %d", kept);
	say_window(-1, p->sent);
	close_all(false);
	say("done");
	free(body);
	free(p);
}

/* Receivers */

/* What was heard; times are of the monotonic clock. */
struct ear {
	struct peer *p;
	uint8_t *filled;
	int64_t joined, until, start, last, first, caught, silence, free;
	uint64_t next, lost, past;
	bool ended;
	uint64_t in[MAX_PHASES], during[MAX_PHASES + 1];
};

/* Latencies of the first third of the window and of the last, for their medians. */
static int64_t *thirds[2];
static size_t third_counts[2], third_room;

static void keep_third(int third, int64_t ns)
{
	if (third_counts[third] < third_room)
		thirds[third][third_counts[third]++] = ns;
}

static int compare_ns(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static int64_t median_of(int third)
{
	size_t n = third_counts[third];
	if (n == 0)
		return 0;
	qsort(thirds[third], n, sizeof *thirds[third], compare_ns);
	return thirds[third][n / 2];
}

static void open_thirds(void)
{
	for (int i = 0; i < phase_count; i++)
		third_room += phases[i].messages;
	for (int i = 0; i < 2 && third_room > 0; i++)
		if ((thirds[i] = malloc(third_room * sizeof *thirds[i])) == NULL)
			fail("no memory for latencies");
}

static void note_quiet(struct ear *e, int64_t now)
{
	if (now - e->last > e->silence)
		e->silence = now - e->last;
	e->last = now;
}

/* Notes when message seq came, which was due at intended. */
static void note_time(struct ear *e, uint64_t seq, int64_t intended)
{
	int64_t now = clock_ns(), since;
	int phase;
	int64_t due = due_of(seq, &phase);
	if (e->p->received == 0) {
		e->start = intended - due;
		e->first = now;
		e->last = e->start > e->joined ? e->start : e->joined;
	}
	note_quiet(e, now);
	if (phase < phase_count)
		e->in[phase]++;
	e->during[phase_at(now - e->start)]++;
	e->past += intended < e->joined;
	if (e->caught == 0 && now - intended < CAUGHT_UP)
		e->caught = now;
	since = intended - e->start - job.warmup;
	if (since < 0 || since >= job.duration)
		return;
	record_latency(now - intended);
	if (since * 3 / job.duration == 0)
		keep_third(0, now - intended);
	else if (since * 3 / job.duration == 2)
		keep_third(1, now - intended);
}

/* Takes in a message; returns false if it ends the stream. */
static bool hear(struct ear *e, zmq_msg_t *message)
{
	const uint8_t *body = zmq_msg_data(message);
	uint64_t count;
	if (stamp_is_end(body, zmq_msg_size(message), &count)) {
		e->lost += count > e->next ? count - e->next : 0;
		e->ended = true;
		return false;
	}
	uint64_t seq = stamp_check(e->filled, body, zmq_msg_size(message), e->next, false);
	if (e->p->received > 0) {
		if (seq < e->next)
			fail("message %ju came where %ju was due", (uintmax_t)seq, (uintmax_t)e->next);
		e->lost += seq - e->next;
	}
	e->next = seq + 1;
	if (phase_count > 0)
		note_time(e, seq, stamp_intended(body));
	else if (e->p->received == 0)
		e->first = clock_ns();
	if (e->p->received == 0)
		begin_window();
	publish(e->p, ++e->p->received);
	return true;
}

/* Rests, where a receiver may take so many messages a second only. */
static void rest(struct ear *e)
{
	int64_t pause = SECOND / job.take, now = clock_ns();
	if (e->free < now - pause * TAKE_BURST)
		e->free = now - pause * TAKE_BURST;
	e->free += pause;
	if (e->free > now)
		sleep_until(e->free);
}

static void listen_until_the_end(struct ear *e)
{
	zmq_msg_t message;
	check(zmq_msg_init(&message), "zmq_msg_init");
	for (;;) {
		if (!receive(e->p->socket, &message, 0)) {
			if (clock_ns() >= e->until)
				break; /* nobody has said that it ended */
			continue;
		}
		if (!hear(e, &message))
			break;
		if (job.take > 0)
			rest(e);
		if ((e->p->received & 0xff) == 0 && clock_ns() >= e->until)
			break;
	}
	zmq_msg_close(&message);
	if (e->p->received > 0) {
		int64_t now = clock_ns(), end = e->start + length_of_stream();
		note_quiet(e, now < end ? now : end);
	}
}

static void say_heard(const struct ear *e)
{
	say("lost %ju", (uintmax_t)e->lost);
	say("ended %d", e->ended);
	if (e->p->received > 0)
		say("first_ns %jd", (intmax_t)(e->first - e->joined));
	if (phase_count == 0 || e->p->received == 0)
		return;
	say("silence_ns %jd", (intmax_t)e->silence);
	say("past %ju", (uintmax_t)e->past);
	if (e->caught > 0)
		say("caught_ns %jd", (intmax_t)(e->caught - e->joined));
	for (int i = 0; i < phase_count; i++) {
		say("in%d %ju", i, (uintmax_t)e->in[i]);
		say("during%d %ju", i, (uintmax_t)e->during[i]);
	}
	if (third_counts[0] > 0 && third_counts[1] > 0) {
		say("early_ns %jd", (intmax_t)median_of(0));
		say("later_ns %jd", (intmax_t)median_of(1));
	}
	say_latencies();
}

void cast_receiver_role(void)
{
	struct ear e = {.p = new_peers(1), .filled = stamp_new()};
	parse_phases();
	open_thirds();
	e.joined = clock_ns();
	if (job.late == 0)
		open_cast(e.p, ZMQ_SUB, job.connect);
	await_go(true);
	watch(LEAD + length_of_stream() + job.drain + GRACE, "the work");
	if (prctl(PR_SET_TIMERSLACK, 1) != 0)
		fail("prctl: %s", strerror(errno));
	e.until = clock_ns() + LEAD + job.drain + length_of_stream();
	if (job.late > 0) {
		sleep_until(clock_ns() + job.late);
		e.joined = clock_ns();
		open_cast(e.p, ZMQ_SUB, job.connect);
	}
	start_window(e.p, 1, 0);
	listen_until_the_end(&e);
	end_window();
	say_window(-1, e.p->received);
	say_heard(&e);
	close_all(false);
	say("done");
	free(e.filled);
	free(e.p);
}
