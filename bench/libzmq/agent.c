/*
 * Arguments, and the lines to and from whoever started this program.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "stamp.h"

struct job job;

/* Lines */

void say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	flockfile(stdout);
	vprintf(format, args);
	putchar('\n');
	funlockfile(stdout);
	va_end(args);
}

/*
 * Says what went wrong, and exits at once: other threads may be anywhere, and
 * are not waited for.
 */
_Noreturn void fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	flockfile(stdout);
	fputs("error ", stdout);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

_Noreturn void fail_call(const char *call) { fail("%s: %s", call, zmq_strerror(zmq_errno())); }

/* The alarm: nothing that should end by itself may hang */

static const char *volatile watched_doing;

static void write_text(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(1);
}

static void on_alarm(int signal)
{
	(void)signal;
	write_text("error took too long: ");
	write_text(watched_doing);
	write_text("\n");
	_exit(1);
}

/* Fails if what is being done takes longer; forgets what was watched before. */
void watch(int64_t ns, const char *doing)
{
	watched_doing = doing;
	alarm((unsigned)((ns + SECOND - 1) / SECOND));
}

void watch_work(void)
{
	watch(job.warmup + job.duration + job.duration / 8 + job.settle + GRACE, "the work");
}

static void unwatch(void) { alarm(0); }

/* Start and end */

static void say_about(void)
{
	int major, minor, patch;
	zmq_version(&major, &minor, &patch);
	say("version libzmq %d.%d.%d", major, minor, patch);
	say("backend epoll");
	say("setting io_threads=%jd", (intmax_t)job.reactors);
	say("setting hwm=%jd", (intmax_t)job.hwm);
	if ((job.pattern == PUBSUB || job.pattern == MULTICAST) && job.role != RECV)
		say("setting xpub_nodrop=1");
	if (job.pattern == DEALERROUTER && job.role != ASK)
		say("setting router_mandatory=1");
}

/* Says that all is open, and waits to be told to start; without that, exits. */
void await_go(bool watched)
{
	char line[16];
	say_about();
	say("ready");
	fflush(stdout);
	if (fgets(line, sizeof line, stdin) == NULL) {
		close_all(false);
		exit(0);
	}
	if (strcmp(line, "go\n") != 0)
		fail("go was due, not %.*s", (int)strcspn(line, "\n"), line);
	if (watched)
		watch_work();
}

void await_end_of_input(void)
{
	unwatch();
	fflush(stdout);
	while (getchar() != EOF) {
	}
}

/* Arguments */

struct word {
	const char *word;
	int value;
};

static const struct word roles[] = {{"send", SEND},       {"recv", RECV},     {"both", BOTH},
				    {"ask", ASK},         {"echo", ECHO},     {"proxy", PROXY},
				    {"connect", CONNECT}, {"gather", GATHER}, {NULL, 0}};

static const struct word patterns[] = {{"pushpull", PUSHPULL},
				       {"pubsub", PUBSUB},
				       {"reqrep", REQREP},
				       {"dealerrouter", DEALERROUTER},
				       {"proxy", PROXIED},
				       {"connect", CONNECTIONS},
				       {"multicast", MULTICAST},
				       {NULL, 0}};

static const struct word transports[] = {{"tcp", 0}, {"ipc", 0}, {"inproc", 1}, {"epgm", 0}, {"pgm", 0}, {NULL, 0}};

static int parse_word(const struct word *words, const char *key, const char *value)
{
	for (; words->word != NULL; words++)
		if (strcmp(words->word, value) == 0)
			return words->value;
	fail("argument %s=%s: no such %s", key, value, key);
}

/* Keys whose values are numbers, with the least and the greatest there may be. */
static const struct number {
	const char *key;
	int64_t *to;
	int64_t least, greatest;
} numbers[] = {
	{"size", &job.size, STAMP_SMALL, 16 << 20},
	{"sockets", &job.sockets, 1, 30000},
	{"streams", &job.streams, 1, INT_MAX},
	{"conns", &job.conns, 1, INT_MAX},
	{"threads", &job.threads, 1, 1000},
	{"reactors", &job.reactors, 1, 1000},
	{"window", &job.window, 1, INT_MAX},
	{"topics", &job.topics, 0, 1000000},
	{"wait", &job.wait, 0, INT64_MAX},
	{"hwm", &job.hwm, 1, INT_MAX},
	{"gap", &job.gap, 0, INT64_MAX},
	{"rate", &job.rate, 0, 1000000000},
	{"warmup", &job.warmup, 0, INT64_MAX / 8},
	{"duration", &job.duration, 0, INT64_MAX / 8},
	{"settle", &job.settle, 0, INT64_MAX / 8},
	{"drain", &job.drain, 0, INT64_MAX / 8},
	{"late", &job.late, 0, INT64_MAX / 8},
	{"take", &job.take, 0, 1000000000},
	{"limit", &job.limit, 0, INT64_MAX},
	{NULL, NULL, 0, 0},
};

static void parse_number(const struct number *number, const char *value)
{
	char *end;
	errno = 0;
	long long n = strtoll(value, &end, 10);
	if (end == value || *end != '\0' || errno != 0)
		fail("argument %s=%s: not a number", number->key, value);
	if (n == 0) /* is as good as missing */
		return;
	if (n < number->least || n > number->greatest)
		fail("argument %s=%s: not from %jd to %jd", number->key, value,
		     (intmax_t)number->least, (intmax_t)number->greatest);
	*number->to = n;
}

static void parse_argument(const char *key, const char *value)
{
	if (strcmp(key, "role") == 0) {
		job.role = (enum role)parse_word(roles, key, value);
	} else if (strcmp(key, "pattern") == 0) {
		job.pattern = (enum pattern)parse_word(patterns, key, value);
	} else if (strcmp(key, "transport") == 0) {
		job.inproc = parse_word(transports, key, value) != 0;
	} else if (strcmp(key, "bind") == 0) {
		job.bind = value;
	} else if (strcmp(key, "connect") == 0) {
		job.connect = value;
	} else if (strcmp(key, "ordered") == 0) {
		job.ordered = strcmp(value, "1") == 0;
	} else if (strcmp(key, "phases") == 0) {
		job.phases = value;
	} else if (strcmp(key, "defaults") == 0) {
		job.defaults = strcmp(value, "1") == 0;
	} else if (strcmp(key, "busypoll") == 0) {
		job.busypoll = strcmp(value, "1") == 0;
	} else {
		const struct number *number = numbers;
		while (number->key != NULL && strcmp(number->key, key) != 0)
			number++;
		if (number->key == NULL)
			fail("argument %s=%s: no key %s", key, value, key);
		parse_number(number, value);
	}
}

static void parse_job(int argc, char **argv)
{
	job = (struct job){
		.sockets = 1, .streams = 1, .conns = 1, .threads = 1, .window = 1, .reactors = 1,
		.hwm = 1000, /* what libzmq has by default */
	};
	bool role = false, pattern = false;
	for (int i = 1; i < argc; i++) {
		char *equals = strchr(argv[i], '=');
		if (equals == NULL)
			fail("argument %s: not key=value", argv[i]);
		*equals = '\0';
		parse_argument(argv[i], equals + 1);
		role |= strcmp(argv[i], "role") == 0;
		pattern |= strcmp(argv[i], "pattern") == 0;
	}
	if (!role || !pattern)
		fail("role and pattern must be given");
}

static bool one_way(void)
{
	return job.pattern == PUSHPULL || job.pattern == PUBSUB || job.pattern == PROXIED ||
	       job.pattern == MULTICAST;
}

static bool role_is_of_pattern(void)
{
	bool trips = job.pattern == REQREP || job.pattern == DEALERROUTER;
	switch (job.role) {
	case SEND:
	case RECV:
		return one_way();
	case ASK:
	case ECHO:
		return trips;
	case BOTH:
		return job.inproc && job.pattern != PROXIED && job.pattern != CONNECTIONS &&
		       job.pattern != MULTICAST;
	case PROXY:
		return job.pattern == PROXIED;
	default:
		return job.pattern == CONNECTIONS;
	}
}

static void check_job(void)
{
	static const bool binds[] = {[BOTH] = true, [ECHO] = true, [PROXY] = true, [GATHER] = true};
	bool second = job.role == RECV || job.role == SEND;
	bool bind = second ? (job.role == RECV) == (job.pattern == PUSHPULL) && job.pattern != PROXIED
			   : binds[job.role];
	bool stamps = job.role != ECHO && job.role != PROXY;
	int64_t least = (int64_t)stamp_prefix() +
			(job.rate > 0 || job.pattern == CONNECTIONS || job.pattern == MULTICAST
				 ? STAMP_TIME
				 : STAMP_SMALL);
	if (job.busypoll)
		fail("busypoll: libzmq has no way to poll without sleeping");
	if (!role_is_of_pattern())
		fail("the role is none of the pattern, or not over that transport");
	if (bind && job.bind == NULL)
		fail("bind is missing");
	if (!bind && job.connect == NULL)
		fail("connect is missing");
	if (stamps && job.size < least)
		fail("size %jd is less than %jd", (intmax_t)job.size, (intmax_t)least);
	if (stamps && job.size == (int64_t)stamp_prefix() + END_SIZE)
		fail("size %jd is that of the end of a stream", (intmax_t)job.size);
	if (job.threads > job.sockets)
		job.threads = job.sockets; /* the rest would have nothing to do */
}

int main(int argc, char **argv)
{
	static void (*const does[])(void) = {
		[SEND] = send_role,   [RECV] = recv_role, [ASK] = ask_role,
		[ECHO] = echo_role,   [PROXY] = proxy_role,
		[CONNECT] = connect_role, [GATHER] = gather_role,
	};
	parse_job(argc, argv);
	check_job();
	signal(SIGALRM, on_alarm);
	start_context();
	if (job.pattern == MULTICAST)
		job.role == SEND ? cast_source_role() : cast_receiver_role();
	else if (job.role == BOTH)
		one_way() ? stream_both_role() : roundtrip_both_role();
	else
		does[job.role]();
	return 0;
}
