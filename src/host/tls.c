/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The library reads and writes the socket through a BIO of ours,
 * for three things that its own does not do: no SIGPIPE; an error of the socket told as
 * such; and a bound on what one turn takes from the socket.  The library reads ahead,
 * so it may hold records that epoll knows nothing of; because the bound is below the
 * library, it always works off what it holds before it says TLS_WANT_READ.
 *
 * There is nothing to resume and no ticket: each connection proves the server's key.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/bytes.h"
#include "host/tls.h"

#define MESSAGES 16 /* of handshakes: three or four are what one takes */
#define COMMON_NAME "lanspan relay"
/* Nobody's clock is asked (RFC 5280, 4.1.2.5: a certificate without an end). */
#define VALID_FROM "20000101000000Z"
#define VALID_UNTIL "99991231235959Z"

struct tls {
	SSL_CTX *ctx;
	BIO_METHOD *socket;
	bool server;
	uint8_t key[TLS_KEY]; /* a server's, public */
};

struct tls_session {
	SSL *ssl;
	int fd;
	size_t allowed;	   /* bytes that may be read from the socket */
	bool at_end;	   /* the socket said so */
	int socket_error;  /* an errno, or 0 */
	unsigned messages; /* of handshakes, that came */
	bool failed;	   /* the library is to be asked nothing any more */
	const char *error; /* words, constant */
};

/* ---- the socket -------------------------------------------------------- */

/* What a call of the socket gave: n, or the library is told why not. */
static int socket_result(BIO *bio, ssize_t n, int retry)
{
	struct tls_session *session = BIO_get_data(bio);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_flags(bio, BIO_FLAGS_SHOULD_RETRY | retry);
	else if (n < 0)
		session->socket_error = errno;
	return (int)n;
}

static int socket_read(BIO *bio, char *data, int len)
{
	struct tls_session *session = BIO_get_data(bio);
	size_t room = MIN(len > 0 ? (size_t)len : 0, session->allowed);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (room == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	n = recv(session->fd, data, room, MSG_DONTWAIT);
	session->at_end = n == 0;
	if (session->allowed != SIZE_MAX && n > 0) /* less than asked: no more is there now */
		session->allowed = (size_t)n < room ? 0 : session->allowed - room;
	return socket_result(bio, n, BIO_FLAGS_READ);
}

static int socket_write(BIO *bio, const char *data, int len)
{
	struct tls_session *session = BIO_get_data(bio);
	size_t n = len > 0 ? (size_t)len : 0;

	BIO_clear_retry_flags(bio);
	return socket_result(bio, send(session->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL),
			     BIO_FLAGS_WRITE);
}

static long socket_control(BIO *bio, int verb, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return verb == BIO_CTRL_FLUSH; /* nothing is held here */
}

static BIO_METHOD *socket_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "lanspan socket");

	if (m && BIO_meth_set_read(m, socket_read) == 1 &&
	    BIO_meth_set_write(m, socket_write) == 1 && BIO_meth_set_ctrl(m, socket_control) == 1)
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* ---- what connections have in common ----------------------------------- */

static bool set_name(X509 *cert)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *)COMMON_NAME, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1;
}

static X509 *self_signed(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	if (cert && X509_set_version(cert, X509_VERSION_3) == 1 &&
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 && set_name(cert) &&
	    ASN1_TIME_set_string_X509(X509_getm_notBefore(cert), VALID_FROM) == 1 &&
	    ASN1_TIME_set_string_X509(X509_getm_notAfter(cert), VALID_UNTIL) == 1 &&
	    X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, NULL) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

static bool raw_key(const EVP_PKEY *key, uint8_t out[TLS_KEY])
{
	size_t len = TLS_KEY;

	return key && EVP_PKEY_is_a(key, "ED25519") == 1 &&
	       EVP_PKEY_get_raw_public_key(key, out, &len) == 1 && len == TLS_KEY;
}

static bool use_key(struct tls *tls, const uint8_t private_key[TLS_KEY])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, TLS_KEY);
	X509 *cert = key ? self_signed(key) : NULL;
	bool ok = cert && raw_key(key, tls->key) && SSL_CTX_use_certificate(tls->ctx, cert) == 1 &&
		  SSL_CTX_use_PrivateKey(tls->ctx, key) == 1;

	X509_free(cert);
	EVP_PKEY_free(key);
	return ok;
}

static bool set_manners(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx,
			    SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* Many connections are idle: the buffers of 16 KiB go when they are empty. */
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	/* Whose the key is, the caller judges: see the top of the header. */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	/* One group, and a cheap one: the far end chooses what a handshake costs here. */
	return SSL_CTX_set1_groups_list(ctx, "X25519") == 1 &&
	       SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
	       SSL_CTX_set_recv_max_early_data(ctx, 0) == 1;
}

static struct tls *tls_new(const SSL_METHOD *method)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return NULL;
	tls->ctx = SSL_CTX_new(method);
	tls->socket = socket_method();
	if (tls->ctx && tls->socket && set_manners(tls->ctx))
		return tls;
	tls_free(tls);
	return NULL;
}

struct tls *tls_server_new(const uint8_t private_key[TLS_KEY])
{
	struct tls *tls = tls_new(TLS_server_method());

	if (!tls)
		return NULL;
	tls->server = true;
	if (use_key(tls, private_key))
		return tls;
	tls_free(tls);
	return NULL;
}

struct tls *tls_client_new(void)
{
	return tls_new(TLS_client_method());
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->ctx);
	BIO_meth_free(tls->socket);
	free(tls);
}

void tls_key(const struct tls *tls, uint8_t out[TLS_KEY])
{
	memcpy(out, tls->key, TLS_KEY);
}

/* ---- one connection ---------------------------------------------------- */

/* New keys, asked for again and again, are work without a packet. */
static void count_message(int write, int version, int type, const void *data, size_t len, SSL *ssl,
			  void *arg)
{
	struct tls_session *session = arg;

	(void)version;
	(void)data;
	(void)len;
	(void)ssl;
	if (!write && type == SSL3_RT_HANDSHAKE)
		session->messages++;
}

static bool attach(struct tls_session *session, const struct tls *tls, const char *name)
{
	BIO *bio;

	session->ssl = SSL_new(tls->ctx);
	bio = session->ssl ? BIO_new(tls->socket) : NULL;
	if (!bio)
		return false;
	BIO_set_data(bio, session);
	BIO_set_init(bio, 1);
	SSL_set_msg_callback(session->ssl, count_message);
	SSL_set_msg_callback_arg(session->ssl, session);
	SSL_set_bio(session->ssl, bio, bio);
	if (tls->server)
		SSL_set_accept_state(session->ssl);
	else
		SSL_set_connect_state(session->ssl);
	return !name || SSL_set_tlsext_host_name(session->ssl, name) == 1;
}

struct tls_session *tls_session_new(struct tls *tls, int fd, const char *name)
{
	struct tls_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->fd = fd;
	session->allowed = SIZE_MAX;
	session->error = "nothing went wrong";
	if (attach(session, tls, name))
		return session;
	tls_session_free(session);
	return NULL;
}

void tls_session_free(struct tls_session *session)
{
	if (!session)
		return;
	SSL_free(session->ssl);
	free(session);
}

void tls_allow(struct tls_session *session, size_t bytes)
{
	session->allowed = bytes;
}

static enum tls_result fail(struct tls_session *session)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	session->failed = true;
	if (session->socket_error)
		session->error = strerrordesc_np(session->socket_error);
	else if (session->at_end)
		session->error = "the far end hung up";
	else if (reason)
		session->error = reason;
	if (!session->error)
		session->error = "unknown error";
	return TLS_FAILED;
}

/* After a call that gave `result`. */
static enum tls_result outcome(struct tls_session *session, int result)
{
	switch (SSL_get_error(session->ssl, result)) {
	case SSL_ERROR_NONE:
		return TLS_DONE;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_ENDED;
	default:
		return fail(session);
	}
}

enum tls_result tls_handshake(struct tls_session *session)
{
	if (session->failed)
		return TLS_FAILED;
	ERR_clear_error();
	return outcome(session, SSL_do_handshake(session->ssl));
}

enum tls_result tls_read(struct tls_session *session, void *data, size_t len, size_t *done)
{
	if (session->failed)
		return TLS_FAILED;
	if (session->messages > MESSAGES) {
		session->failed = true;
		session->error = "the far end asks for new keys all the time";
		return TLS_FAILED;
	}
	ERR_clear_error();
	return outcome(session, SSL_read_ex(session->ssl, data, len, done));
}

enum tls_result tls_write(struct tls_session *session, const void *data, size_t len, size_t *done)
{
	if (session->failed)
		return TLS_FAILED;
	ERR_clear_error();
	return outcome(session, SSL_write_ex(session->ssl, data, len, done));
}

void tls_close(struct tls_session *session)
{
	if (session->failed || !SSL_is_init_finished(session->ssl))
		return;
	ERR_clear_error();
	SSL_shutdown(session->ssl);
	ERR_clear_error();
}

bool tls_session_key(const struct tls_session *session, uint8_t out[TLS_KEY])
{
	X509 *cert = SSL_get0_peer_certificate(session->ssl);

	return cert && raw_key(X509_get0_pubkey(cert), out);
}

const char *tls_session_error(const struct tls_session *session)
{
	return session->error;
}
