/* SPDX-License-Identifier: MIT */
/*
 * TLS 1.3 over a connected socket (RFC 8446), by OpenSSL.  Certificates carry one
 * Ed25519 key and nothing that anybody would look at: who is at the far end is told by
 * that key, and whether it is the right one is the caller's to say.  A far end that is
 * gone raises no SIGPIPE.
 */
#ifndef HOST_TLS_H
#define HOST_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_KEY 32 /* bytes of an Ed25519 key (RFC 8032) */

/* What all connections have in common. */
struct tls;

/* With a self-signed certificate for the private key.  NULL when memory is short or the
 * library fails. */
struct tls *tls_server_new(const uint8_t private_key[TLS_KEY]);
struct tls *tls_client_new(void);
void tls_free(struct tls *tls);

/* The public key of a server's certificate. */
void tls_key(const struct tls *tls, uint8_t out[TLS_KEY]);

/* One connection. */
struct tls_session;

/* For a non-blocking socket, which stays the caller's.  name: of the server, sent in
 * clear (SNI, RFC 6066), NULL for none and at a server.  NULL when memory is short. */
struct tls_session *tls_session_new(struct tls *tls, int fd, const char *name);
void tls_session_free(struct tls_session *session);

/* The call can go on when the socket can be read, or written; the rest is over.
 * ENDED: the far end said so.  FAILED: tls_session_error tells. */
enum tls_result { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_ENDED, TLS_FAILED };

enum tls_result tls_handshake(struct tls_session *session);

/* Bytes that may be taken from the socket until the next such call; without one, all.
 * When they are used up, or the socket has given less than was asked for, the answer is
 * TLS_WANT_READ as if nothing more was there.  No whole record is left behind then: the
 * socket, polled by level, tells when there is more. */
void tls_allow(struct tls_session *session, size_t bytes);

/* At most len bytes; *done says how many if the result is TLS_DONE.  A write that is to
 * go on is to be called again with the same bytes, or more. */
enum tls_result tls_read(struct tls_session *session, void *data, size_t len, size_t *done);
enum tls_result tls_write(struct tls_session *session, const void *data, size_t len, size_t *done);

/* Tells the far end that nothing follows; no answer is waited for. */
void tls_close(struct tls_session *session);

/* The key in the far end's certificate; false when it has none, or not of that kind.
 * After the handshake. */
bool tls_session_key(const struct tls_session *session, uint8_t out[TLS_KEY]);

/* In words, of the last failure; never NULL. */
const char *tls_session_error(const struct tls_session *session);

#endif
