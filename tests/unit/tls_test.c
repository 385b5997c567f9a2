/* SPDX-License-Identifier: MIT */
/* Both ends in one thread, over a socket pair that does not block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/ssl.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/tls.h"

/* RFC 8032, 7.1, test 1. */
static const uint8_t secret[TLS_KEY] = {
	0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
	0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
	0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
};
static const uint8_t public[TLS_KEY] = {
	0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe,
	0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6,
	0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
};

struct ends {
	struct tls *server_tls, *client_tls;
	struct tls_session *server, *client;
	int fd[2]; /* the server's, the client's */
};

static int set_up(void **state)
{
	struct ends *e = calloc(1, sizeof(*e));

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, e->fd), 0);
	e->server_tls = tls_server_new(secret);
	e->client_tls = tls_client_new();
	assert_non_null(e->server_tls);
	assert_non_null(e->client_tls);
	e->server = tls_session_new(e->server_tls, e->fd[0], NULL);
	e->client = tls_session_new(e->client_tls, e->fd[1], "relay.example.net");
	assert_non_null(e->server);
	assert_non_null(e->client);
	*state = e;
	return 0;
}

static int tear_down(void **state)
{
	struct ends *e = *state;

	tls_session_free(e->server);
	tls_session_free(e->client);
	tls_free(e->server_tls);
	tls_free(e->client_tls);
	close(e->fd[0]);
	close(e->fd[1]);
	free(e);
	return 0;
}

static void shake(struct ends *e)
{
	enum tls_result server = TLS_WANT_READ, client = TLS_WANT_READ;

	for (int i = 0; i < 10 && (server != TLS_DONE || client != TLS_DONE); i++) {
		client = tls_handshake(e->client);
		server = tls_handshake(e->server);
	}
	assert_int_equal(server, TLS_DONE);
	assert_int_equal(client, TLS_DONE);
}

static void the_key_is_seen(void **state)
{
	struct ends *e = *state;
	uint8_t key[TLS_KEY];

	tls_key(e->server_tls, key);
	assert_memory_equal(key, public, TLS_KEY);
	assert_false(tls_session_key(e->client, key)); /* not yet */
	shake(e);
	memset(key, 0, sizeof(key));
	assert_true(tls_session_key(e->client, key));
	assert_memory_equal(key, public, TLS_KEY);
	assert_false(tls_session_key(e->server, key)); /* clients have none */
}

static void bytes_go_both_ways(void **state)
{
	struct ends *e = *state;
	char back[16];
	size_t n;

	shake(e);
	assert_int_equal(tls_read(e->server, back, sizeof(back), &n), TLS_WANT_READ);
	assert_int_equal(tls_write(e->client, "there", 5, &n), TLS_DONE);
	assert_int_equal(n, 5);
	assert_int_equal(tls_read(e->server, back, sizeof(back), &n), TLS_DONE);
	assert_int_equal(n, 5);
	assert_memory_equal(back, "there", 5);
	assert_int_equal(tls_write(e->server, "back", 4, &n), TLS_DONE);
	assert_int_equal(tls_read(e->client, back, sizeof(back), &n), TLS_DONE);
	assert_memory_equal(back, "back", 4);
}

/* The server's answer to the client's last message would be a ticket. */
static void no_tickets(void **state)
{
	struct ends *e = *state;
	char byte;

	shake(e);
	assert_int_equal(recv(e->fd[1], &byte, 1, MSG_PEEK), -1);
}

static void an_end_is_told(void **state)
{
	struct ends *e = *state;
	char byte;
	size_t n;

	shake(e);
	tls_close(e->client);
	assert_int_equal(tls_read(e->server, &byte, 1, &n), TLS_ENDED);
	/* Before the handshake there is nothing to say. */
	assert_int_equal(recv(e->fd[0], &byte, 1, 0), -1);
}

static void hanging_up_is_a_failure(void **state)
{
	struct ends *e = *state;
	char byte;
	size_t n;

	shake(e);
	shutdown(e->fd[1], SHUT_WR);
	assert_int_equal(tls_read(e->server, &byte, 1, &n), TLS_FAILED);
	assert_string_equal(tls_session_error(e->server), "the far end hung up");
	assert_int_equal(tls_read(e->server, &byte, 1, &n), TLS_FAILED);
}

static void writing_to_the_dead_is_no_signal(void **state)
{
	struct ends *e = *state;
	size_t n;

	shake(e);
	signal(SIGPIPE, SIG_DFL);
	shutdown(e->fd[1], SHUT_RD);
	assert_int_equal(tls_write(e->server, "a", 1, &n), TLS_FAILED);
	assert_string_equal(tls_session_error(e->server), "Broken pipe");
}

/* What the library holds is always worked off, and what it did not take the socket has. */
static void a_bound_leaves_no_record_behind(void **state)
{
	enum { SMALL = 100 }; /* writes that a socket pair holds */
	struct ends *e = *state;
	uint8_t byte;
	size_t n, got = 0;

	shake(e);
	for (int i = 0; i < SMALL; i++)
		assert_int_equal(tls_write(e->client, "b", 1, &n), TLS_DONE);
	for (int turn = 0; turn < 100000 && got < SMALL; turn++) {
		size_t before = got;

		tls_allow(e->server, 100);
		while (tls_read(e->server, &byte, 1, &n) == TLS_DONE)
			got += n;
		/* 23 bytes each: 100 bytes and what was left are 5 at most. */
		assert_in_range(got - before, 0, 5);
		if (got < SMALL)
			assert_int_equal(recv(e->fd[0], &byte, 1, MSG_PEEK), 1);
	}
	assert_int_equal(got, SMALL);
	tls_allow(e->server, 0);
	assert_int_equal(tls_write(e->client, "b", 1, &n), TLS_DONE);
	assert_int_equal(tls_read(e->server, &byte, 1, &n), TLS_WANT_READ);
	tls_allow(e->server, 100);
	assert_int_equal(tls_read(e->server, &byte, 1, &n), TLS_DONE);
}

/* A full socket: the write goes on from memory that has moved, with more behind. */
static void a_write_goes_on_from_elsewhere(void **state)
{
	enum { SIZE = 4 << 20 };
	struct ends *e = *state;
	uint8_t *data = malloc(SIZE), *moved = malloc(SIZE), *back = malloc(SIZE);
	enum tls_result result;
	size_t sent = 0, got = 0, n;

	shake(e);
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	while ((result = tls_write(e->client, data + sent, 100000, &n)) == TLS_DONE) {
		assert_in_range(n, 1, 16384);
		sent += n;
	}
	assert_int_equal(result, TLS_WANT_WRITE);
	memcpy(moved, data, SIZE);
	while (got < SIZE) {
		if (sent < SIZE && tls_write(e->client, moved + sent, SIZE - sent, &n) == TLS_DONE)
			sent += n;
		if (tls_read(e->server, back + got, SIZE - got, &n) == TLS_DONE)
			got += n;
	}
	assert_memory_equal(back, data, SIZE);
	free(data);
	free(moved);
	free(back);
}

static void garbage_is_refused(void **state)
{
	struct ends *e = *state;

	assert_int_equal(send(e->fd[1], "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
	assert_int_equal(tls_handshake(e->server), TLS_FAILED);
	assert_string_equal(tls_session_error(e->server), "http request");
	assert_int_equal(tls_handshake(e->server), TLS_FAILED);
	tls_close(e->server); /* says nothing, and falls over nothing */
}

/* An older client by the library itself; how far it gets. */
static int old_client(struct ends *e, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	int done = 0;

	SSL_set_max_proto_version(ssl, version);
	SSL_set_fd(ssl, e->fd[1]);
	SSL_set_connect_state(ssl);
	for (int i = 0; i < 10 && done <= 0; i++) {
		done = SSL_do_handshake(ssl);
		tls_handshake(e->server);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return done;
}

static void tls_1_2_is_refused(void **state)
{
	struct ends *e = *state;

	assert_true(old_client(e, TLS1_2_VERSION) <= 0);
	assert_string_equal(tls_session_error(e->server), "unsupported protocol");
}

/* The library's client, up to where it is done, or not. */
static SSL *raw_client(struct ends *e, SSL_CTX *ctx, const char *groups)
{
	SSL *ssl = SSL_new(ctx);

	assert_non_null(ssl);
	assert_int_equal(SSL_set1_groups_list(ssl, groups), 1);
	SSL_set_fd(ssl, e->fd[1]);
	SSL_set_connect_state(ssl);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(ssl);
		tls_handshake(e->server);
	}
	return ssl;
}

/* What a handshake costs is not the far end's to say. */
static void only_the_cheap_group_is_taken(void **state)
{
	static const char *const others[] = { "P-256", "P-521", "X448", "ffdhe2048", "ffdhe8192" };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct ends *e = *state;
	SSL *ssl = raw_client(e, ctx, "X25519");

	assert_true(SSL_is_init_finished(ssl));
	SSL_free(ssl);
	for (unsigned i = 0; i < COUNT_OF(others); i++) {
		tear_down(state);
		set_up(state);
		e = *state;
		ssl = raw_client(e, ctx, others[i]);
		if (SSL_is_init_finished(ssl))
			fail_msg("%s is taken", others[i]);
		assert_int_equal(tls_handshake(e->server), TLS_FAILED);
		SSL_free(ssl);
	}
	SSL_CTX_free(ctx);
}

/* A few are in order; who asks for nothing else is work without a packet. */
static void new_keys_are_not_asked_for_all_the_time(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct ends *e = *state;
	SSL *ssl = raw_client(e, ctx, "X25519");
	enum tls_result result = TLS_WANT_READ;
	uint8_t byte;
	size_t n;
	int i;

	for (i = 0; i < 100 && result != TLS_FAILED; i++) {
		assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_write(ssl, "x", 1), 1);
		result = tls_read(e->server, &byte, 1, &n);
	}
	assert_in_range(i, 5, 30);
	assert_non_null(strstr(tls_session_error(e->server), "new keys"));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void the_librarys_own_client_is_served(void **state)
{
	assert_int_equal(old_client(*state, TLS1_3_VERSION), 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(the_key_is_seen),
		CASE(bytes_go_both_ways),
		CASE(no_tickets),
		CASE(an_end_is_told),
		CASE(hanging_up_is_a_failure),
		CASE(writing_to_the_dead_is_no_signal),
		CASE(a_bound_leaves_no_record_behind),
		CASE(a_write_goes_on_from_elsewhere),
		CASE(garbage_is_refused),
		CASE(tls_1_2_is_refused),
		CASE(the_librarys_own_client_is_served),
		CASE(only_the_cheap_group_is_taken),
		CASE(new_keys_are_not_asked_for_all_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
