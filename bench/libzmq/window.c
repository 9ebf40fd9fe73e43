/*
 * The window: what a process does between t0 + warmup and t0 + warmup + duration,
 * where t0 is its first message. A thread of its own takes the time, so that
 * those that work need not look at the clock.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

/* Clocks and usage */

int64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

void sleep_until(int64_t t)
{
	struct timespec at = timespec_of(t);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
	}
}

int64_t cpu_ns(void)
{
	struct rusage u;
	if (getrusage(RUSAGE_SELF, &u) != 0)
		fail("getrusage: %s", strerror(errno));
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * SECOND +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

int64_t rss_kb(void)
{
	long size, resident;
	FILE *f = fopen("/proc/self/statm", "r");
	if (f == NULL || fscanf(f, "%ld %ld", &size, &resident) != 2)
		fail("/proc/self/statm cannot be read");
	fclose(f);
	return (int64_t)resident * sysconf(_SC_PAGESIZE) / 1024;
}

int64_t peak_rss_kb(void)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");
	while (f != NULL && kb < 0 && fgets(line, sizeof line, f) != NULL)
		sscanf(line, "VmHWM: %ld", &kb);
	if (kb < 0)
		fail("/proc/self/status cannot be read");
	fclose(f);
	return kb;
}

/* The window */

struct snapshot {
	int64_t ns, cpu;
	uint64_t count;
};

static struct {
	pthread_t timer;
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* t0 or ended */
	int64_t t0;             /* 0 before the first message */
	bool ended;             /* no more messages will come */
	int64_t tail;           /* how long after the window to stop */
	struct peer *peers;
	int64_t n;
	struct snapshot begin, from, to;
	_Atomic bool stop; /* tells those that send to come to an end */
} window = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct snapshot take_snapshot(void)
{
	struct snapshot s = {.ns = clock_ns(), .cpu = cpu_ns()};
	for (int64_t i = 0; i < window.n; i++)
		s.count += atomic_load_explicit(&window.peers[i].count, memory_order_relaxed);
	return s;
}

/* Waits, with the mutex, for a time or until all has ended. */
static void wait_until(int64_t t)
{
	struct timespec at = timespec_of(t);
	while (!window.ended && clock_ns() < t)
		pthread_cond_timedwait(&window.changed, &window.mutex, &at);
}

static void *timer_thread(void *unused)
{
	pthread_mutex_lock(&window.mutex);
	while (window.t0 == 0 && !window.ended)
		pthread_cond_wait(&window.changed, &window.mutex);
	window.begin = (struct snapshot){.ns = window.t0, .cpu = cpu_ns()};
	int64_t from = window.t0 + job.warmup, to = from + job.duration;
	wait_until(from);
	window.from = take_snapshot();
	wait_until(to);
	window.to = take_snapshot();
	wait_until(to + window.tail);
	pthread_mutex_unlock(&window.mutex);
	atomic_store_explicit(&window.stop, true, memory_order_relaxed);
	return unused;
}

/* Prepares a window over the counts of n peers. It stops them tail after it. */
void start_window(struct peer *peers, int64_t n, int64_t tail)
{
	window.peers = peers;
	window.n = n;
	window.tail = tail;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&window.changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int err = pthread_create(&window.timer, NULL, timer_thread, NULL);
	if (err != 0)
		fail("pthread_create: %s", strerror(err));
}

/* Says that there is a first message. Of several calls the first sets t0. */
int64_t begin_window(void)
{
	pthread_mutex_lock(&window.mutex);
	if (window.t0 == 0) {
		window.t0 = clock_ns();
		pthread_cond_signal(&window.changed);
	}
	int64_t t0 = window.t0;
	pthread_mutex_unlock(&window.mutex);
	return t0;
}

bool stopped(void) { return atomic_load_explicit(&window.stop, memory_order_relaxed); }

/* Says that there are no more messages, and waits for the last snapshot. */
void end_window(void)
{
	pthread_mutex_lock(&window.mutex);
	window.ended = true;
	pthread_cond_signal(&window.changed);
	pthread_mutex_unlock(&window.mutex);
	pthread_join(window.timer, NULL);
}

/* Results */

void say_usage(int64_t messages, int64_t ns, int64_t cpu, uint64_t total)
{
	say("messages %jd", (intmax_t)messages);
	say("ns %jd", (intmax_t)ns);
	say("cpu_ns %jd", (intmax_t)cpu);
	say("total %ju", (uintmax_t)total);
	say("allocs -1"); /* nobody counts them */
	say("gc_pause_ns 0");
	say("rss_kb %jd", (intmax_t)peak_rss_kb());
}

/* Messages says how many there were, or is negative where the peers counted them. */
void say_window(int64_t messages, uint64_t total)
{
	if (window.to.count == window.from.count)
		window.from = window.begin; /* too short a window: the whole run, then */
	if (messages < 0)
		messages = (int64_t)(window.to.count - window.from.count);
	say_usage(messages, window.to.ns - window.from.ns, window.to.cpu - window.from.cpu, total);
}

/*
 * Latencies are kept to three significant digits, in the buckets of
 * HdrHistogram: one for each value below 2048, and 1024 for each octave above.
 */
enum { SUB_BITS = 10, SUB = 1 << SUB_BITS, OCTAVES = 26 };
static const int64_t LONGEST = 60000000000; /* a minute, less than 2^36 */

static uint64_t buckets[(OCTAVES + 1) * SUB];
static int64_t recorded;

void record_latency(int64_t ns)
{
	if (ns < 1)
		ns = 1;
	if (ns > LONGEST)
		ns = LONGEST;
	int shift = 63 - __builtin_clzll((uint64_t)ns | SUB) - SUB_BITS;
	buckets[shift * SUB + (ns >> shift)]++;
	recorded++;
}

int64_t recorded_latencies(void) { return recorded; }

/* Writes each bucket that has any by the greatest value in it. */
void say_latencies(void)
{
	for (int64_t i = 0; i < (OCTAVES + 1) * SUB; i++) {
		int64_t shift = i < 2 * SUB ? 0 : i / SUB - 1;
		int64_t least = (i - shift * SUB) << shift;
		if (buckets[i] > 0)
			say("hist %jd %ju", (intmax_t)(least + ((int64_t)1 << shift) - 1),
			    (uintmax_t)buckets[i]);
	}
}
