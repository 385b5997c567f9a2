/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A pattern is a row of tokens for each message, and one
 * loop for each direction goes through them.  The state is the specification's
 * three objects in one: CipherState (key, nonce), SymmetricState (chaining_key,
 * hash) and HandshakeState (the keys).  A message is measured against the
 * table before a token is looked at, so a short message or too little room is
 * known before the state has moved.
 *
 * A failure half-way leaves a state that is mixed with what was not proven; it
 * is wiped, and a wiped state refuses every call.
 */
#include "core/noise.h"

#include <string.h>

#include "base/bytes.h"

#define NOISE_MESSAGE 65535 /* the longest, specification section 3 */

enum token { END, E, S, EE, ES, SE, SS, PSK };

#define MESSAGES 3
#define TOKENS 6

static const struct {
	const char *names[CIPHER_COUNT];
	bool knows_responder; /* "<- s" stands before the first message */
	bool has_psk;
	uint8_t count;
	uint8_t tokens[MESSAGES][TOKENS];
} patterns[] = {
	[NOISE_IK] = {
		.names = { "Noise_IK_25519_AESGCM_SHA256", "Noise_IK_25519_ChaChaPoly_SHA256" },
		.knows_responder = true,
		.count = 2,
		.tokens = { { E, ES, S, SS }, { E, EE, SE } },
	},
	[NOISE_IKPSK2] = {
		.names = { "Noise_IKpsk2_25519_AESGCM_SHA256",
			   "Noise_IKpsk2_25519_ChaChaPoly_SHA256" },
		.knows_responder = true,
		.has_psk = true,
		.count = 2,
		.tokens = { { E, ES, S, SS }, { E, EE, SE, PSK } },
	},
	[NOISE_XX] = {
		.names = { "Noise_XX_25519_AESGCM_SHA256", "Noise_XX_25519_ChaChaPoly_SHA256" },
		.count = 3,
		.tokens = { { E }, { E, EE, S, ES }, { S, SE } },
	},
};
_Static_assert(COUNT_OF(patterns) == NOISE_PATTERN_COUNT, "each pattern has its row");
_Static_assert(CIPHER_AES_256_GCM == 0 && CIPHER_COUNT == 2, "the order of the names above");

const char *noise_protocol_name(enum noise_pattern pattern, enum cipher cipher)
{
	return patterns[pattern].names[cipher];
}

/* ---- symmetric state ---- */

static void mix_hash(struct noise *n, const void *data, size_t len)
{
	kex_hash(n->hash, n->hash, KEX_HASH, data, len);
}

static void set_key(struct noise *n, const uint8_t key[AEAD_KEY])
{
	memcpy(n->key, key, AEAD_KEY);
	n->nonce = 0;
	n->has_key = true;
}

static void mix_key(struct noise *n, const uint8_t input[KEX_KEY])
{
	uint8_t out[2][KEX_HASH];

	kex_hkdf(out, 2, n->chaining_key, input, KEX_KEY);
	memcpy(n->chaining_key, out[0], KEX_HASH);
	set_key(n, out[1]);
	bytes_wipe(out, sizeof(out));
}

static void mix_key_and_hash(struct noise *n, const uint8_t input[KEX_KEY])
{
	uint8_t out[3][KEX_HASH];

	kex_hkdf(out, 3, n->chaining_key, input, KEX_KEY);
	memcpy(n->chaining_key, out[0], KEX_HASH);
	mix_hash(n, out[1], KEX_HASH);
	set_key(n, out[2]);
	bytes_wipe(out, sizeof(out));
}

static size_t tag_len(const struct noise *n)
{
	return n->has_key ? AEAD_TAG : 0;
}

static bool encrypt_and_hash(struct noise *n, struct wr *w, const void *plain, size_t len)
{
	uint8_t *out = wr_room(w, len + tag_len(n));

	if (!out)
		return false;
	if (!n->has_key) {
		if (len > 0)
			memcpy(out, plain, len);
	} else if (!aead_seal_once(n->cipher, n->key, n->nonce++, n->hash, KEX_HASH, plain, len,
				   out)) {
		return false;
	}
	mix_hash(n, out, len + tag_len(n));
	return true;
}

/* len counts the plain bytes. */
static bool decrypt_and_hash(struct noise *n, struct rd *r, uint8_t *out, size_t len)
{
	const uint8_t *in = rd_bytes(r, len + tag_len(n));

	if (!in)
		return false;
	if (!n->has_key) {
		if (len > 0)
			memcpy(out, in, len);
	} else if (!aead_open_once(n->cipher, n->key, n->nonce++, n->hash, KEX_HASH, in,
				   len + AEAD_TAG, out)) {
		return false;
	}
	mix_hash(n, in, len + tag_len(n));
	return true;
}

/* ---- tokens ---- */

/* The first letter of a token is the initiator's key. */
static bool mix_agreement(struct noise *n, enum token token)
{
	bool initiator = n->role == NOISE_INITIATOR;
	bool own_static = token == SS || token == (initiator ? SE : ES);
	bool remote_static = token == SS || token == (initiator ? ES : SE);
	uint8_t secret[KEX_KEY];
	bool ok = kex_shared_known(secret, own_static ? n->local_static : n->local_ephemeral,
				   own_static ? n->local_static_public : n->local_ephemeral_public,
				   remote_static ? n->remote_static : n->remote_ephemeral);

	if (ok)
		mix_key(n, secret);
	bytes_wipe(secret, sizeof(secret));
	return ok;
}

static void mix_ephemeral(struct noise *n, const uint8_t pub[KEX_KEY])
{
	mix_hash(n, pub, KEX_KEY);
	if (patterns[n->pattern].has_psk)
		mix_key(n, pub);
}

static bool write_ephemeral(struct noise *n, const uint8_t ephemeral[KEX_KEY], struct wr *w)
{
	memcpy(n->local_ephemeral, ephemeral, KEX_KEY);
	if (!kex_public(n->local_ephemeral_public, n->local_ephemeral))
		return false;
	wr_copy(w, n->local_ephemeral_public, KEX_KEY);
	mix_ephemeral(n, n->local_ephemeral_public);
	return !w->bad;
}

static bool read_ephemeral(struct noise *n, struct rd *r)
{
	rd_copy(r, n->remote_ephemeral, KEX_KEY);
	if (!rd_ok(r))
		return false;
	mix_ephemeral(n, n->remote_ephemeral);
	return true;
}

static bool write_token(struct noise *n, enum token token, const uint8_t ephemeral[KEX_KEY],
			struct wr *w)
{
	switch (token) {
	case END:
		return true;
	case E:
		return write_ephemeral(n, ephemeral, w);
	case S:
		return encrypt_and_hash(n, w, n->local_static_public, KEX_KEY);
	case EE:
	case ES:
	case SE:
	case SS:
		return mix_agreement(n, token);
	case PSK:
		mix_key_and_hash(n, n->psk);
		return true;
	}
	return false;
}

static bool read_token(struct noise *n, enum token token, struct rd *r)
{
	switch (token) {
	case END:
		return true;
	case E:
		return read_ephemeral(n, r);
	case S:
		n->has_remote = decrypt_and_hash(n, r, n->remote_static, KEX_KEY);
		return n->has_remote;
	case EE:
	case ES:
	case SE:
	case SS:
		return mix_agreement(n, token);
	case PSK:
		mix_key_and_hash(n, n->psk);
		return true;
	}
	return false;
}

/* ---- handshake ---- */

static const uint8_t *tokens_of(const struct noise *n)
{
	return patterns[n->pattern].tokens[n->message];
}

/* The initiator writes the even messages and reads the odd ones. */
static bool may_write(const struct noise *n)
{
	return n->begun && n->message < patterns[n->pattern].count &&
	       n->message % 2 == (n->role == NOISE_RESPONDER);
}

static bool may_read(const struct noise *n)
{
	return n->begun && n->message < patterns[n->pattern].count &&
	       n->message % 2 == (n->role == NOISE_INITIATOR);
}

size_t noise_overhead(enum noise_pattern pattern, unsigned i)
{
	bool keyed = false;
	size_t sum = 0;

	if (i >= patterns[pattern].count)
		return 0;
	for (unsigned m = 0; m <= i; m++) {
		const uint8_t *t = patterns[pattern].tokens[m];

		sum = 0;
		for (unsigned j = 0; j < TOKENS && t[j] != END; j++) {
			if (t[j] == E || t[j] == S)
				sum += KEX_KEY;
			if (t[j] == S && keyed)
				sum += AEAD_TAG;
			keyed |= t[j] != S && (t[j] != E || patterns[pattern].has_psk);
		}
		sum += keyed ? AEAD_TAG : 0;
	}
	return sum;
}

static void begin_symmetric(struct noise *n, const void *prologue, size_t prologue_len)
{
	const char *name = noise_protocol_name(n->pattern, n->cipher);
	size_t len = strlen(name);

	if (len <= KEX_HASH)
		memcpy(n->hash, name, len);
	else
		kex_hash(n->hash, name, len, NULL, 0);
	memcpy(n->chaining_key, n->hash, KEX_HASH);
	mix_hash(n, prologue, prologue_len);
}

bool noise_begin(struct noise *n, enum noise_pattern pattern, enum noise_role role,
		 enum cipher cipher, const void *prologue, size_t prologue_len,
		 const uint8_t local_static[KEX_KEY], const uint8_t *remote_static,
		 const uint8_t *psk)
{
	bool needs_remote = patterns[pattern].knows_responder && role == NOISE_INITIATOR;

	*n = (struct noise){ .pattern = pattern, .role = role, .cipher = cipher };
	if (!local_static || (needs_remote && !remote_static) ||
	    (patterns[pattern].has_psk && !psk) ||
	    !kex_public(n->local_static_public, local_static))
		return false;
	memcpy(n->local_static, local_static, KEX_KEY);
	if (needs_remote) {
		memcpy(n->remote_static, remote_static, KEX_KEY);
		n->has_remote = true;
	}
	if (patterns[pattern].has_psk)
		memcpy(n->psk, psk, KEX_KEY);
	begin_symmetric(n, prologue, prologue_len);
	if (patterns[pattern].knows_responder)
		mix_hash(n, needs_remote ? n->remote_static : n->local_static_public, KEX_KEY);
	n->begun = true;
	return true;
}

void noise_set_psk(struct noise *n, const uint8_t psk[KEX_KEY])
{
	if (n->begun)
		memcpy(n->psk, psk, KEX_KEY);
}

size_t noise_write(struct noise *n, const uint8_t ephemeral[KEX_KEY], const void *payload,
		   size_t payload_len, uint8_t *out, size_t room)
{
	size_t overhead = noise_overhead(n->pattern, n->message);
	struct wr w = wr_make(out, MIN(room, (size_t)NOISE_MESSAGE));
	const uint8_t *t;

	if (!may_write(n) || w.left < overhead || w.left - overhead < payload_len)
		return 0;
	t = tokens_of(n);
	for (unsigned i = 0; i < TOKENS; i++) {
		if (!write_token(n, t[i], ephemeral, &w))
			goto failed;
	}
	if (!encrypt_and_hash(n, &w, payload, payload_len))
		goto failed;
	n->message++;
	return w.used;
failed:
	noise_wipe(n);
	return 0;
}

bool noise_read(struct noise *n, const void *message, size_t len, uint8_t *out, size_t room,
		size_t *out_len)
{
	size_t overhead = noise_overhead(n->pattern, n->message);
	struct rd r = rd_make(message, len);
	const uint8_t *t;

	if (!may_read(n) || len > NOISE_MESSAGE || len < overhead || len - overhead > room)
		goto failed;
	t = tokens_of(n);
	for (unsigned i = 0; i < TOKENS; i++) {
		if (!read_token(n, t[i], &r))
			goto failed;
	}
	if (!decrypt_and_hash(n, &r, out, len - overhead) || !rd_done(&r))
		goto failed;
	*out_len = len - overhead;
	n->message++;
	return true;
failed:
	noise_wipe(n);
	return false;
}

bool noise_finished(const struct noise *n)
{
	return n->begun && n->message == patterns[n->pattern].count;
}

bool noise_split(const struct noise *n, uint8_t send[AEAD_KEY], uint8_t receive[AEAD_KEY])
{
	bool initiator = n->role == NOISE_INITIATOR;
	uint8_t out[2][KEX_HASH];

	if (!noise_finished(n))
		return false;
	kex_hkdf(out, 2, n->chaining_key, NULL, 0);
	memcpy(send, out[initiator ? 0 : 1], AEAD_KEY);
	memcpy(receive, out[initiator ? 1 : 0], AEAD_KEY);
	bytes_wipe(out, sizeof(out));
	return true;
}

void noise_wipe(struct noise *n)
{
	bytes_wipe(n, sizeof(*n));
}
