/* SPDX-License-Identifier: MIT */
/* getaddrinfo is our own here, so no name server has a say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/resolve.h"

static sem_t asked, let_go, gone;
static pthread_t loop_thread;

/* ---- the name service -------------------------------------------------- */

static void push(struct addrinfo **res, const char *text)
{
	struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_in6));
	struct sockaddr_in *in = (void *)(info + 1);
	struct sockaddr_in6 *in6 = (void *)(info + 1);

	info->ai_addr = (void *)(info + 1);
	info->ai_next = *res;
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		info->ai_family = in->sin_family = AF_INET;
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		info->ai_family = in6->sin6_family = AF_INET6;
		in6->sin6_scope_id = 5;
	} else {
		info->ai_family = AF_UNIX;
	}
	*res = info;
}

static int answer_many(struct addrinfo **res)
{
	char text[24];

	for (int i = 12; i > 0; i--) {
		snprintf(text, sizeof(text), "192.0.2.%d", i);
		push(res, text);
		push(res, text);
	}
	return 0;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **res)
{
	(void)service;
	*res = NULL;
	if (pthread_equal(pthread_self(), loop_thread) || hints->ai_socktype != SOCK_DGRAM)
		abort();
	if (strcmp(node, "slow.test") == 0) {
		sem_post(&asked);
		sem_wait(&let_go);
		push(res, "192.0.2.9");
		return 0;
	}
	if (strcmp(node, "ok.test") == 0) {
		push(res, "2001:db8::7");
		push(res, "192.0.2.7");
		return 0;
	}
	if (strcmp(node, "many.test") == 0)
		return answer_many(res);
	if (strcmp(node, "odd.test") == 0) {
		push(res, "somewhere");
		return 0;
	}
	if (strcmp(node, "system.test") == 0) {
		errno = EMFILE;
		return EAI_SYSTEM;
	}
	return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *res)
{
	bool slow = res && !res->ai_next && res->ai_family == AF_INET &&
		    ((struct sockaddr_in *)(void *)res->ai_addr)->sin_addr.s_addr ==
			    inet_addr("192.0.2.9");

	while (res) {
		struct addrinfo *next = res->ai_next;

		free(res);
		res = next;
	}
	if (slow)
		sem_post(&gone);
}

/* ---- what is asked ----------------------------------------------------- */

struct heard {
	int calls;
	uint64_t tags[200];
	struct addr answers[RESOLVE_ANSWERS];
	size_t n;
	char error[200];
	struct resolve *ask_again;
};

static struct loop loop;
static struct resolve *r;
static struct heard heard;

static void handle(void *ctx, uint64_t tag, const struct addr *answers, size_t n, const char *error)
{
	struct heard *h = ctx;

	assert_true(pthread_equal(pthread_self(), loop_thread));
	assert_true((n == 0) == (error != NULL));
	h->tags[h->calls++] = tag;
	h->n = n;
	for (size_t i = 0; i < n; i++)
		h->answers[i] = answers[i];
	snprintf(h->error, sizeof(h->error), "%s", error ? error : "");
	if (h->ask_again) {
		h->ask_again = NULL;
		assert_true(resolve_ask(r, "ok.test:9", 0, tag + 1));
	}
}

static int set_up(void **state)
{
	(void)state;
	sem_init(&asked, 0, 0);
	sem_init(&let_go, 0, 0);
	sem_init(&gone, 0, 0);
	loop_thread = pthread_self();
	heard = (struct heard){ 0 };
	if (loop_init(&loop) < 0)
		return -1;
	r = resolve_new(&loop, handle, &heard);
	return r ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	resolve_free(r);
	loop_free(&loop);
	return 0;
}

static void hear(int calls)
{
	struct instant end = instant_add(clock_now(), SECONDS(10));

	while (heard.calls < calls && !instant_reached(clock_now(), end))
		loop_turn(&loop, end);
	assert_int_equal(heard.calls, calls);
}

static void check_addr(size_t i, const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text, 0));
	if (a.family == ADDR_IPV6)
		a.scope = 5;
	assert_true(i < heard.n);
	assert_true(addr_equal(&heard.answers[i], &a));
}

static void test_numeric_at_once(void **state)
{
	(void)state;
	assert_true(resolve_ask(r, "192.0.2.1:77", 0, 1));
	assert_int_equal(heard.calls, 1);
	check_addr(0, "192.0.2.1:77");
	assert_true(resolve_ask(r, "[2001:db8::1]", 7741, 2));
	assert_int_equal(heard.calls, 2);
	assert_int_equal(heard.tags[1], 2);
	assert_int_equal(heard.answers[0].port, 7741);
}

static void test_names(void **state)
{
	(void)state;
	assert_true(resolve_ask(r, "ok.test:5000", 7741, 11));
	assert_int_equal(heard.calls, 0);
	hear(1);
	assert_int_equal(heard.tags[0], 11);
	assert_int_equal(heard.n, 2);
	check_addr(0, "192.0.2.7:5000");
	check_addr(1, "[2001:db8::7]:5000");
	assert_true(resolve_ask(r, "ok.test", 7741, 12));
	hear(2);
	assert_int_equal(heard.answers[0].port, 7741);
}

static void test_failures(void **state)
{
	(void)state;
	assert_true(resolve_ask(r, "no.test:1", 0, 1));
	hear(1);
	assert_int_equal(heard.n, 0);
	assert_string_equal(heard.error, gai_strerror(EAI_NONAME));
	assert_true(resolve_ask(r, "system.test:1", 0, 1));
	hear(2);
	assert_string_equal(heard.error, strerror(EMFILE));
	assert_true(resolve_ask(r, "odd.test:1", 0, 1));
	hear(3);
	assert_string_equal(heard.error, "no address");
}

static void test_at_most_eight_different(void **state)
{
	(void)state;
	assert_true(resolve_ask(r, "many.test:1", 0, 1));
	hear(1);
	assert_int_equal(heard.n, RESOLVE_ANSWERS);
	check_addr(0, "192.0.2.1:1");
	check_addr(7, "192.0.2.8:1");
}

static void test_asks_again_from_the_handler(void **state)
{
	(void)state;
	heard.ask_again = r;
	assert_true(resolve_ask(r, "no.test:1", 0, 20));
	hear(2);
	assert_int_equal(heard.tags[1], 21);
	assert_int_equal(heard.n, 2);
}

static void test_queue_is_bounded_and_in_order(void **state)
{
	(void)state;
	assert_true(resolve_ask(r, "slow.test:1", 0, 0));
	sem_wait(&asked);
	for (uint64_t i = 1; i < RESOLVE_PENDING; i++)
		assert_true(resolve_ask(r, "ok.test:1", 0, i));
	assert_false(resolve_ask(r, "ok.test:1", 0, 99));
	assert_true(resolve_ask(r, "192.0.2.1:1", 0, 100)); /* needs no place */
	sem_post(&let_go);
	hear(RESOLVE_PENDING + 1);
	for (uint64_t i = 0; i < RESOLVE_PENDING; i++)
		assert_int_equal(heard.tags[i + 1], i);
	/* And round the rings a second time. */
	for (uint64_t i = 0; i < 10; i++)
		assert_true(resolve_ask(r, "ok.test:1", 0, i + 200));
	hear(RESOLVE_PENDING + 11);
	assert_int_equal(heard.tags[RESOLVE_PENDING + 10], 209);
}

static void test_free_forgets_what_waits(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 30; i++)
		assert_true(resolve_ask(r, "ok.test:1", 0, i));
	resolve_free(r);
	r = NULL;
	assert_int_equal(heard.calls, 0);
}

static void test_free_does_not_hang(void **state)
{
	struct instant start = clock_now();

	(void)state;
	assert_true(resolve_ask(r, "slow.test:1", 0, 1));
	sem_wait(&asked);
	resolve_free(r);
	r = NULL;
	assert_true(instant_between(start, clock_now()) < SECONDS(3));
	sem_post(&let_go); /* the thread comes back and clears up alone */
	sem_wait(&gone);
	usleep(50000);
	assert_int_equal(heard.calls, 0);
}

static void on_signal(int sig)
{
	(void)sig;
	if (!pthread_equal(pthread_self(), loop_thread))
		abort();
}

/* A signal to the process finds the loop's thread only. */
static void test_thread_takes_no_signals(void **state)
{
	sigset_t one, before;

	(void)state;
	signal(SIGUSR2, on_signal);
	sigemptyset(&one);
	sigaddset(&one, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &one, &before);
	kill(getpid(), SIGUSR2);
	usleep(50000);
	sigpending(&one);
	assert_true(sigismember(&one, SIGUSR2));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	signal(SIGUSR2, SIG_DFL);
}

static void test_forms(void **state)
{
	static const struct {
		const char *text;
		uint16_t port;
		bool valid;
	} table[] = {
		{ "relay.example.net:7741", 0, true },
		{ "relay.example.net", 7741, true },
		{ "relay.example.net", 0, false },
		{ "relay.example.net.:1", 0, true },
		{ "localhost:65535", 0, true },
		{ "my_host-1:1", 0, true },
		{ "192.0.2.1:1", 0, true },
		{ "192.0.2.1", 0, false },
		{ "[2001:db8::1]:1", 0, true },
		{ "4you.example:1", 0, true },
		{ "", 7741, false },
		{ ".", 7741, false },
		{ ":7741", 0, false },
		{ "a..b", 1, false },
		{ "-a", 1, false },
		{ "a.-b", 1, false },
		{ "a.123", 1, false },
		{ ".a", 1, false },
		{ "300.1.1.1", 1, false },
		{ "1.2.3", 1, false },
		{ "1.2.3.", 1, false },
		{ "12345", 1, false },
		{ "host:0", 0, false },
		{ "host:65536", 0, false },
		{ "host:", 7741, false },
		{ "host:1x", 7741, false },
		{ "host:+1", 7741, false },
		{ "host:000001", 0, false },
		{ "host:1:2", 0, false },
		{ "ho st", 1, false },
		{ "host/x", 1, false },
		{ "h\xc3\xb6st", 1, false },
		{ "[host]:1", 0, false },
	};
	char label[80];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		if (resolve_valid(table[i].text, table[i].port) != table[i].valid)
			fail_msg("\"%s\" with default port %u", table[i].text, table[i].port);
		if (!table[i].valid)
			assert_false(resolve_ask(r, table[i].text, table[i].port, 1));
	}
	memset(label, 'a', sizeof(label));
	label[63] = '\0';
	assert_true(resolve_valid(label, 1));
	label[63] = 'a';
	label[64] = '\0';
	assert_false(resolve_valid(label, 1));
}

static void test_longest_name(void **state)
{
	char text[RESOLVE_NAME + 50];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 10 == 9 ? '.' : 'a';
	text[253] = '\0';
	assert_true(resolve_valid(text, 1));
	text[253] = 'a';
	text[254] = '\0';
	assert_false(resolve_valid(text, 1));
	text[254] = 'a';
	text[sizeof(text) - 1] = '\0';
	assert_false(resolve_valid(text, 1));
}

#define WITH_THREAD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_THREAD(test_numeric_at_once),
		WITH_THREAD(test_names),
		WITH_THREAD(test_failures),
		WITH_THREAD(test_at_most_eight_different),
		WITH_THREAD(test_asks_again_from_the_handler),
		WITH_THREAD(test_queue_is_bounded_and_in_order),
		WITH_THREAD(test_free_forgets_what_waits),
		WITH_THREAD(test_free_does_not_hang),
		WITH_THREAD(test_thread_takes_no_signals),
		WITH_THREAD(test_forms),
		cmocka_unit_test(test_longest_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
