/* SPDX-License-Identifier: MIT */
/* The daemon's side runs in the test's own loop; clients are plain sockets, or
 * a thread where a call blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/ctlsock.h"

#define BIG (5u << 20)

static char folder[64], path[100];
static struct loop loop;
static struct ctlsock *ctl;
static char last_request[CTLSOCK_REQUEST];
static bool last_privileged;
static int n_requests;
static int taken; /* descriptor of the client that asked for that */

/* "big": 5 MB; "nothing": NULL; "take": the client is taken; "empty": no bytes; all else comes back. */
static char *handle(void *ctx, const char *request, bool privileged, size_t *len)
{
	char *answer;

	assert_ptr_equal(ctx, folder);
	n_requests++;
	snprintf(last_request, sizeof(last_request), "%s", request);
	last_privileged = privileged;
	if (strcmp(request, "take") == 0)
		taken = ctlsock_take(ctl);
	if (strcmp(request, "slow") == 0)
		usleep((useconds_t)CTLSOCK_TIME + 1000);
	if (strcmp(request, "nothing") == 0)
		return NULL;
	*len = strcmp(request, "big") == 0 ? BIG : strlen(request);
	if (strcmp(request, "empty") == 0)
		*len = 0;
	answer = malloc(BIG);
	for (size_t i = 0; answer && *len == BIG && i < BIG; i++)
		answer[i] = (char)(i / 1000);
	if (answer && *len != BIG)
		memcpy(answer, request, *len);
	return answer;
}

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/ctlsock_test_XXXXXX");
	if (!mkdtemp(folder) || loop_init(&loop) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/a.sock", folder);
	n_requests = 0;
	return ctlsock_open(&ctl, &loop, path, handle, folder);
}

static int tear_down(void **state)
{
	(void)state;
	ctlsock_close(ctl);
	ctl = NULL;
	loop_free(&loop);
	return rmdir(folder); /* fails when something was left there */
}

static void turn(int times)
{
	for (int i = 0; i < times; i++)
		assert_int_equal(loop_turn(&loop, (struct instant){ 0 }), 0);
}

static int client(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static bool is_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* ---- asking through the front door ------------------------------------- */

struct asking {
	const char *request;
	char *answer;
	size_t len;
	int result;
	bool done;
};

static void *asker(void *arg)
{
	struct asking *a = arg;

	a->result = ctlsock_ask(path, a->request, 10, &a->answer, &a->len);
	__atomic_store_n(&a->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void ask(struct asking *a, const char *request)
{
	pthread_t thread;

	*a = (struct asking){ .request = request };
	assert_int_equal(pthread_create(&thread, NULL, asker, a), 0);
	while (!__atomic_load_n(&a->done, __ATOMIC_ACQUIRE))
		loop_turn(&loop, instant_add(clock_now(), MS(10)));
	pthread_join(thread, NULL);
}

static void test_ask(void **state)
{
	struct asking a;

	(void)state;
	ask(&a, "show peers --json");
	assert_int_equal(a.result, 0);
	assert_int_equal(a.len, 17);
	assert_string_equal(a.answer, "show peers --json");
	assert_string_equal(last_request, "show peers --json");
	assert_true(last_privileged);
	free(a.answer);

	ask(&a, "empty");
	assert_int_equal(a.result, 0);
	assert_int_equal(a.len, 0);
	assert_string_equal(a.answer, "");
	free(a.answer);

	ask(&a, "nothing");
	assert_int_equal(a.result, 0);
	assert_int_equal(a.len, 0);
	free(a.answer);
	assert_int_equal(n_requests, 3);
}

static void test_megabytes(void **state)
{
	struct asking a;

	(void)state;
	ask(&a, "big");
	assert_int_equal(a.result, 0);
	assert_int_equal(a.len, BIG);
	for (size_t i = 0; i < BIG; i++) {
		if (a.answer[i] != (char)(i / 1000))
			fail_msg("wrong byte at %zu", i);
	}
	assert_int_equal(a.answer[BIG], 0);
	free(a.answer);
}

static void test_ask_fails(void **state)
{
	char nowhere[120], longest[CTLSOCK_REQUEST + 1], *answer = folder;
	size_t len = 77;
	int fd;

	(void)state;
	snprintf(nowhere, sizeof(nowhere), "%s/none", folder);
	assert_int_equal(ctlsock_ask(nowhere, "x", 1, &answer, &len), -ENOENT);
	memset(nowhere, 'x', sizeof(nowhere) - 1);
	nowhere[sizeof(nowhere) - 1] = '\0';
	assert_int_equal(ctlsock_ask(nowhere, "x", 1, &answer, &len), -ENAMETOOLONG);
	assert_int_equal(ctlsock_ask(path, "two\nlines", 1, &answer, &len), -EINVAL);
	memset(longest, 'x', CTLSOCK_REQUEST);
	longest[CTLSOCK_REQUEST] = '\0';
	assert_int_equal(ctlsock_ask(path, longest, 1, &answer, &len), -EINVAL);
	turn(4);
	/* Nobody serves the loop now. */
	assert_int_equal(ctlsock_ask(path, "x", 1, &answer, &len), -ETIMEDOUT);
	assert_ptr_equal(answer, folder);
	assert_int_equal(len, 77);
	fd = client();
	close(fd);
	turn(8);
}

static void test_longest_request(void **state)
{
	char longest[CTLSOCK_REQUEST];
	struct asking a;

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ask(&a, longest);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.len, CTLSOCK_REQUEST - 1);
	free(a.answer);
}

/* ---- clients that misbehave -------------------------------------------- */

static void expect_closed(const void *bytes, size_t len)
{
	int fd = client();

	assert_int_equal(send(fd, bytes, len, 0), len);
	turn(4);
	assert_true(is_closed(fd));
	close(fd);
}

static void test_garbage(void **state)
{
	char flood[CTLSOCK_REQUEST + 100];
	int fd;

	(void)state;
	memset(flood, 'x', sizeof(flood));
	expect_closed(flood, sizeof(flood));
	expect_closed(flood, CTLSOCK_REQUEST);
	expect_closed("show\nshow\n", 10);
	expect_closed("sh\0ow\n", 6);
	fd = client();
	say(fd, "half");
	shutdown(fd, SHUT_WR);
	turn(4);
	assert_true(is_closed(fd));
	close(fd);
	assert_int_equal(n_requests, 0);
}

static void test_request_in_pieces(void **state)
{
	char answer[16] = "";
	int fd = client();

	(void)state;
	for (const char *p = "hello\n"; *p; p++) {
		assert_int_equal(send(fd, p, 1, 0), 1);
		turn(2);
	}
	shutdown(fd, SHUT_WR);
	turn(2);
	assert_int_equal(recv(fd, answer, sizeof(answer), 0), 5);
	assert_string_equal(answer, "hello");
	assert_true(is_closed(fd));
	close(fd);
}

static void test_stalled_are_closed(void **state)
{
	struct instant start;
	int mute, drip, deaf;
	char buf[64];

	(void)state;
	mute = client();
	drip = client();
	deaf = client();
	say(deaf, "big\n");
	turn(8);
	start = loop.now;
	ctlsock_tick(ctl, instant_add(start, CTLSOCK_PATIENCE - SECONDS(1)));
	say(drip, "x"); /* bytes without a line are no progress */
	turn(4);
	assert_false(is_closed(mute));
	ctlsock_tick(ctl, instant_add(start, CTLSOCK_PATIENCE + SECONDS(1)));
	assert_true(is_closed(mute));
	assert_true(is_closed(drip));
	size_t sum = 0;
	ssize_t n;
	while ((n = recv(deaf, buf, sizeof(buf), 0)) > 0)
		sum += (size_t)n;
	assert_true(sum > 0 && sum < BIG);
	assert_int_equal(n, 0);
	close(mute);
	close(drip);
	close(deaf);
}

/* How often the loop comes round in that time. */
static int turns_within(int64_t ms)
{
	struct instant end = instant_add(clock_now(), MS(ms));
	int n = 0;

	while (!instant_reached(clock_now(), end)) {
		loop_turn(&loop, end);
		n++;
	}
	return n;
}

static void test_vanished_reader(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "big\n");
	turn(4);
	close(fd);
	turn(4);
	assert_true(turns_within(50) <= 3);
	fd = client();
	say(fd, "alive\n");
	turn(4);
	assert_false(is_closed(fd));
	close(fd);
	turn(2);
}

static void test_flood_neither_spins_nor_starves(void **state)
{
	int crowd[CTLSOCK_CLIENTS + 10], late;
	struct instant now;
	char byte;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(crowd); i++)
		crowd[i] = client();
	turn(60);
	assert_true(turns_within(50) <= 3);

	/* One of those served makes room for one that waited. */
	late = crowd[CTLSOCK_CLIENTS];
	say(late, "hello\n");
	turn(4);
	assert_int_equal(recv(late, &byte, 1, 0), -1);
	say(crowd[0], "first\n");
	turn(8);
	assert_int_equal(recv(crowd[0], &byte, 1, 0), 1);
	assert_int_equal(byte, 'f');
	assert_int_equal(recv(late, &byte, 1, 0), 1);
	assert_int_equal(byte, 'h');

	/* The patience with the others ends, and the rest gets its turn. */
	now = instant_add(loop.now, CTLSOCK_PATIENCE);
	ctlsock_tick(ctl, now);
	late = crowd[COUNT_OF(crowd) - 1];
	say(late, "last\n");
	turn(40);
	assert_int_equal(recv(late, &byte, 1, 0), 1);
	for (size_t i = 0; i < COUNT_OF(crowd); i++)
		close(crowd[i]);
	turn(40);
}

static void test_out_of_descriptors(void **state)
{
	int waiting = client(), top = open("/dev/null", O_RDONLY);
	struct rlimit old, low;
	char byte;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)top;
	close(top);
	while ((top = open("/dev/null", O_RDONLY)) < (int)low.rlim_cur - 1 && top >= 0)
		;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	say(waiting, "hello\n");
	int n = turns_within(50);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_true(n <= 3);
	assert_int_equal(recv(waiting, &byte, 1, 0), -1);
	ctlsock_tick(ctl, loop.now);
	turn(4);
	assert_int_equal(recv(waiting, &byte, 1, 0), 1);
	close(waiting);
}

/* ---- the place in the file system -------------------------------------- */

static mode_t mode_before;

/* In libc's place: what the socket's mode is when its name is there already. */
int chmod(const char *name, mode_t mode)
{
	struct stat st;

	if (lstat(name, &st) == 0 && S_ISSOCK(st.st_mode))
		mode_before = st.st_mode & 07777;
	return fchmodat(AT_FDCWD, name, mode, 0);
}

/* Nobody finds it wide open for a moment. */
static void test_mode_from_the_first(void **state)
{
	mode_t before = umask(0);
	struct ctlsock *other;
	char name[100];

	(void)state;
	snprintf(name, sizeof(name), "%s/b.sock", folder);
	assert_int_equal(ctlsock_open(&other, &loop, name, handle, folder), 0);
	umask(before);
	assert_int_equal(mode_before, 0660);
	ctlsock_close(other);
}

static void test_mode_and_folder(void **state)
{
	mode_t before = umask(077);
	struct ctlsock *other;
	char deep[100], deeper[200];
	struct stat st;

	(void)state;
	snprintf(deep, sizeof(deep), "%s/new/b.sock", folder);
	assert_int_equal(ctlsock_open(&other, &loop, deep, handle, folder), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	*strrchr(deep, '/') = '\0';
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	ctlsock_close(other);
	assert_int_equal(rmdir(deep), 0);
	umask(before);

	snprintf(deeper, sizeof(deeper), "%s/x/y/z.sock", folder);
	assert_int_equal(ctlsock_open(&other, &loop, deeper, handle, folder), -ENOENT);
	memset(deeper, 'x', sizeof(deeper) - 1);
	deeper[sizeof(deeper) - 1] = '\0';
	assert_int_equal(ctlsock_open(&other, &loop, deeper, handle, folder), -ENAMETOOLONG);
}

/* The place is free for others then, and no patience ends. */
static void test_taken(void **state)
{
	char text[8] = "";
	int fd = client();

	(void)state;
	say(fd, "take\n");
	turn(5);
	assert_true(taken >= 0);
	ctlsock_tick(ctl, instant_add(loop.now, 2 * CTLSOCK_PATIENCE));
	assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
	assert_int_equal(errno, EAGAIN);
	say(taken, "hello");
	assert_int_equal(recv(fd, text, sizeof(text), 0), 5);
	assert_string_equal(text, "hello");
	close(taken);
	assert_true(is_closed(fd));
	close(fd);
}

static void test_live_stale_and_foreign(void **state)
{
	struct ctlsock *other;
	struct asking a;
	struct stat st;
	char kept[120];
	int fd;

	(void)state;
	assert_int_equal(ctlsock_open(&other, &loop, path, handle, folder), -EADDRINUSE);
	turn(4);
	assert_false(ctlsock_stale(path));
	turn(4);

	/* Killed without a chance to clean up: the name stays, nobody answers. */
	snprintf(kept, sizeof(kept), "%s/kept", folder);
	assert_int_equal(link(path, kept), 0);
	ctlsock_close(ctl);
	assert_false(ctlsock_stale(path)); /* there is none */
	assert_int_equal(rename(kept, path), 0);
	assert_true(ctlsock_stale(path));
	assert_int_equal(ctlsock_open(&ctl, &loop, path, handle, folder), 0);
	ask(&a, "again");
	assert_string_equal(a.answer, "again");
	free(a.answer);

	/* A name that is somebody else's by now is left there at close. */
	assert_int_equal(unlink(path), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(ctlsock_open(&other, &loop, path, handle, folder), -ENOTSOCK);
	ctlsock_close(ctl);
	ctl = NULL;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ctlsock_open(&ctl, &loop, path, handle, folder), 0);
}

static void test_other_user_is_not_privileged(void **state)
{
	struct asking a;
	pid_t child;
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(folder, 0755) | chmod(path, 0666), 0);
	child = fork();
	if (child == 0) {
		a = (struct asking){ .request = "whoami" };
		if (setuid(65534) == 0)
			asker(&a);
		_exit(a.result == 0 && a.len == 6 ? 0 : 1);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		loop_turn(&loop, instant_add(clock_now(), MS(10)));
	if (WEXITSTATUS(status) != 0)
		skip(); /* a namespace without that user */
	assert_string_equal(last_request, "whoami");
	assert_false(last_privileged);
}

static unsigned turns; /* of the loop, in as_other */

/* Runs f as another user, with the loop at work, and a tick after each 700 ms.  False where
 * there is none. */
static bool as_other(void (*f)(void))
{
	struct instant ticked = clock_now();
	pid_t child;
	int status;

	if (geteuid() != 0)
		return false;
	assert_int_equal(chmod(folder, 0755) | chmod(path, 0666), 0);
	child = fork();
	if (child == 0) {
		if (setuid(65534) != 0)
			_exit(1);
		f();
		_exit(0);
	}
	for (turns = 0; waitpid(child, &status, WNOHANG) == 0; turns++) {
		loop_turn(&loop, instant_add(clock_now(), MS(10)));
		if (instant_between(ticked, loop.now) < MS(700))
			continue;
		ticked = loop.now;
		ctlsock_tick(ctl, ticked);
	}
	return WEXITSTATUS(status) == 0;
}

/* As many as it can have, and more; the last of them ask, and are answered. */
static void crowd_in(void)
{
	int fds[3 * CTLSOCK_CLIENTS];
	char byte;

	for (size_t i = 0; i < COUNT_OF(fds); i++)
		fds[i] = client();
	usleep(200000);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		bool kept = recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0;

		if (kept != (i >= COUNT_OF(fds) - CTLSOCK_OTHERS))
			_exit(1);
	}
	if (send(fds[COUNT_OF(fds) - 1], "x\n", 2, 0) != 2)
		_exit(1);
	usleep(100000);
	if (recv(fds[COUNT_OF(fds) - 1], &byte, 1, MSG_DONTWAIT) != 1)
		_exit(1);
	sleep(1);
}

static void *ask_soon(void *arg)
{
	usleep(200000);
	asker(arg);
	return NULL;
}

static void *ask_late(void *arg)
{
	usleep(600000);
	asker(arg);
	return NULL;
}

/* Another user's crowd keeps nobody out. */
static void test_crowd_of_others(void **state)
{
	struct asking a = { .request = "me" };
	pthread_t thread;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pthread_create(&thread, NULL, ask_late, &a), 0);
	assert_true(as_other(crowd_in));
	pthread_join(thread, NULL);
	assert_int_equal(a.result, 0);
	assert_string_equal(a.answer, "me");
	assert_true(last_privileged);
	free(a.answer);
}

/* So many in a second; who comes then waits for the next one. */
static void test_rate(void **state)
{
	char byte;
	int fd;

	(void)state;
	for (unsigned i = 0; i < CTLSOCK_RATE; i++) {
		close(client());
		turn(3);
	}
	fd = client();
	say(fd, "late\n");
	turn(5);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_true(turns_within(50) <= 3);
	ctlsock_tick(ctl, loop.now);
	turn(5);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	close(fd);
}

/* After an answer that takes long, the next one to this user comes with the next tick. */
static void ask_slowly(void)
{
	struct instant begun;
	char byte;
	int fd;

	fd = client();
	if (send(fd, "slow\n", 5, 0) != 5)
		_exit(1);
	while (recv(fd, &byte, 1, 0) < 0)
		usleep(1000);
	begun = clock_now();
	fd = client();
	if (send(fd, "late\n", 5, 0) != 5)
		_exit(1);
	close(client()); /* one that goes meanwhile */
	while (recv(fd, &byte, 1, 0) < 0)
		usleep(1000);
	if (instant_between(begun, clock_now()) < MS(300))
		_exit(1);
}

/* Answers that take long leave the rest of the second to others. */
static void test_time(void **state)
{
	struct asking a = { .request = "me" };
	pthread_t thread;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pthread_create(&thread, NULL, ask_soon, &a), 0);
	assert_true(as_other(ask_slowly));
	pthread_join(thread, NULL);
	assert_string_equal(a.answer, "me");
	assert_true(n_requests >= 3);
	assert_string_equal(last_request, "late"); /* after root's */
	assert_true(turns < 1000); /* the one that went is not told of again and again */
	free(a.answer);
}

static void test_path(void **state)
{
	char out[200], name[101];

	(void)state;
	setenv("LANSPAN_RUNDIR", "/tmp/here", 1);
	assert_true(ctlsock_folder(out, sizeof(out)));
	assert_string_equal(out, "/tmp/here");
	assert_true(ctlsock_path(out, sizeof(out), "lab"));
	assert_string_equal(out, "/tmp/here/lab.sock");
	assert_false(ctlsock_path(out, sizeof("/tmp/here/lab.soc"), "lab"));
	assert_true(ctlsock_path(out, sizeof("/tmp/here/lab.sock"), "lab"));
	assert_false(ctlsock_folder(out, 9));
	assert_false(ctlsock_path(out, sizeof(out), "../lab"));
	assert_false(ctlsock_path(out, sizeof(out), "a/b"));
	assert_false(ctlsock_path(out, sizeof(out), ""));
	memset(name, 'n', sizeof(name));
	name[100] = '\0';
	assert_false(ctlsock_path(out, sizeof(out), name));
	name[107 - strlen("/tmp/here/.sock")] = '\0';
	assert_true(ctlsock_path(out, sizeof(out), name));

	unsetenv("LANSPAN_RUNDIR");
	setenv("XDG_RUNTIME_DIR", "/tmp/mine", 1);
	assert_true(ctlsock_path(out, sizeof(out), "lab"));
	if (eaccess("/run", W_OK) == 0)
		assert_string_equal(out, "/run/lanspan/lab.sock");
	else if (access("/run/lanspan", F_OK) < 0)
		assert_string_equal(out, "/tmp/mine/lanspan/lab.sock");
	unsetenv("XDG_RUNTIME_DIR");
	assert_true(ctlsock_path(out, sizeof(out), "lab"));
	assert_string_equal(out, "/run/lanspan/lab.sock");
}

#define WITH_SOCKET(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SOCKET(test_ask),
		WITH_SOCKET(test_megabytes),
		WITH_SOCKET(test_ask_fails),
		WITH_SOCKET(test_longest_request),
		WITH_SOCKET(test_garbage),
		WITH_SOCKET(test_request_in_pieces),
		WITH_SOCKET(test_stalled_are_closed),
		WITH_SOCKET(test_vanished_reader),
		WITH_SOCKET(test_flood_neither_spins_nor_starves),
		WITH_SOCKET(test_out_of_descriptors),
		WITH_SOCKET(test_mode_from_the_first),
		WITH_SOCKET(test_mode_and_folder),
		WITH_SOCKET(test_taken),
		WITH_SOCKET(test_live_stale_and_foreign),
		WITH_SOCKET(test_other_user_is_not_privileged),
		WITH_SOCKET(test_crowd_of_others),
		WITH_SOCKET(test_rate),
		WITH_SOCKET(test_time),
		cmocka_unit_test(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
