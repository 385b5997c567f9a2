/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A cipher is fetched once for the process and a context
 * made once for each key and direction; the cipher's key schedule stays in the
 * context.  A packet sets the nonce alone, which is all that a context keeps
 * from one packet to the next: setting the key as well, or fetching by name,
 * costs more than the encryption of a small frame.
 */
#include "core/aead.h"

#include <string.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/bytes.h"
#include "core/aead_mb.h"

/* OpenSSL counts in int. */
#define AEAD_MAX ((size_t)1 << 30)

static const struct {
	const char *name;
	const char *library_name;
} names[] = {
	[CIPHER_AES_256_GCM] = { "aes-256-gcm", "AES-256-GCM" },
	[CIPHER_CHACHA20_POLY1305] = { "chacha20-poly1305", "ChaCha20-Poly1305" },
};
_Static_assert(COUNT_OF(names) == CIPHER_COUNT, "each cipher has its names");

/* For the life of the process. */
static EVP_CIPHER *ciphers[CIPHER_COUNT];

static enum aead_engine engines[CIPHER_COUNT];

const char *cipher_name(enum cipher cipher)
{
	return names[cipher].name;
}

bool cipher_parse(const char *name, enum cipher *out)
{
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		if (strcmp(name, names[i].name) == 0) {
			*out = (enum cipher)i;
			return true;
		}
	}
	return false;
}

bool aead_start(void)
{
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		if (!ciphers[i])
			ciphers[i] = EVP_CIPHER_fetch(NULL, names[i].library_name, NULL);
		if (!ciphers[i])
			return false;
	}
	return true;
}

bool aead_force(enum cipher cipher, enum aead_engine engine)
{
	if (engine == AEAD_IPSEC_MB && (cipher != CIPHER_AES_256_GCM || !aead_mb_start()))
		return false;
	engines[cipher] = engine;
	return true;
}

const char *aead_engine_name(enum cipher cipher)
{
	return engines[cipher] == AEAD_IPSEC_MB ? "ipsec-mb" : "openssl";
}

bool aead_init(struct aead *aead, enum cipher cipher, enum aead_direction direction)
{
	int seal = direction == AEAD_SEAL;

	*aead = (struct aead){ .cipher = cipher,
			       .direction = direction,
			       .engine = engines[cipher] };
	if (aead->engine == AEAD_IPSEC_MB) {
		aead->ctx = aead_mb_new();
		return aead->ctx;
	}
	aead->ctx = EVP_CIPHER_CTX_new();
	if (!aead->ctx)
		return false;
	if (ciphers[cipher] &&
	    EVP_CipherInit_ex2(aead->ctx, ciphers[cipher], NULL, NULL, seal, NULL) == 1)
		return true;
	aead_free(aead);
	return false;
}

void aead_free(struct aead *aead)
{
	if (aead->engine == AEAD_IPSEC_MB)
		aead_mb_free(aead->ctx);
	else
		EVP_CIPHER_CTX_free(aead->ctx);
	aead->ctx = NULL;
	aead->keyed = false;
}

void aead_set_key(struct aead *aead, const uint8_t key[AEAD_KEY])
{
	if (aead->engine == AEAD_IPSEC_MB) {
		aead_mb_set_key(aead->ctx, key);
		aead->keyed = true;
		return;
	}
	aead->keyed = EVP_CipherInit_ex2(aead->ctx, NULL, key, NULL, -1, NULL) == 1;
}

void aead_forget(struct aead *aead)
{
	static const uint8_t zero[AEAD_KEY];

	if (aead->engine == AEAD_IPSEC_MB)
		aead_mb_forget(aead->ctx);
	else
		aead_set_key(aead, zero);
	aead->keyed = false;
}

/* By EVP_CIPHER_CTX_ctrl it takes 20 to 30 ns more, of 200 to 460 that a packet takes. */
static bool tag_get(EVP_CIPHER_CTX *ctx, uint8_t tag[AEAD_TAG])
{
	OSSL_PARAM params[] = { OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, AEAD_TAG),
				OSSL_PARAM_END };

	return EVP_CIPHER_CTX_get_params(ctx, params) == 1;
}

bool aead_seal_nonce(struct aead *aead, const uint8_t nonce[AEAD_NONCE], const void *aad,
		     size_t aad_len, const void *in, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = aead->ctx;
	int n;

	if (!aead->keyed || aead->direction != AEAD_SEAL || (len | aad_len) >= AEAD_MAX)
		return false;
	if (aead->engine == AEAD_IPSEC_MB) {
		aead_mb_seal(ctx, nonce, aad, aad_len, in, len, out, out + len);
		return true;
	}
	if (EVP_EncryptInit_ex2(ctx, NULL, NULL, nonce, NULL) != 1)
		return false;
	if (aad_len > 0 && EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len) != 1)
		return false;
	if (len > 0 && EVP_EncryptUpdate(ctx, out, &n, in, (int)len) != 1)
		return false;
	return EVP_EncryptFinal_ex(ctx, out + len, &n) == 1 && tag_get(ctx, out + len);
}

bool aead_open_nonce(struct aead *aead, const uint8_t nonce[AEAD_NONCE], const void *aad,
		     size_t aad_len, const void *in, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = aead->ctx;
	uint8_t tag[AEAD_TAG], wanted[AEAD_TAG];
	int n;

	if (!aead->keyed || aead->direction != AEAD_OPEN || (len | aad_len) >= AEAD_MAX ||
	    len < AEAD_TAG)
		return false;
	len -= AEAD_TAG;
	memcpy(tag, (const uint8_t *)in + len, AEAD_TAG);
	if (aead->engine == AEAD_IPSEC_MB) {
		aead_mb_open(ctx, nonce, aad, aad_len, in, len, out, wanted);
		return bytes_equal_secret(tag, wanted, AEAD_TAG);
	}
	if (EVP_DecryptInit_ex2(ctx, NULL, NULL, nonce, NULL) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, tag) != 1)
		return false;
	if (aad_len > 0 && EVP_DecryptUpdate(ctx, NULL, &n, aad, (int)aad_len) != 1)
		return false;
	if (len > 0 && EVP_DecryptUpdate(ctx, out, &n, in, (int)len) != 1)
		return false;
	return EVP_DecryptFinal_ex(ctx, tag, &n) == 1;
}

static inline void nonce_make(uint8_t nonce[AEAD_NONCE], enum cipher cipher, uint64_t counter)
{
	memset(nonce, 0, AEAD_NONCE - sizeof(counter));
	be64_put(nonce + AEAD_NONCE - sizeof(counter),
		 cipher == CIPHER_AES_256_GCM ? counter : __builtin_bswap64(counter));
}

bool aead_seal(struct aead *aead, uint64_t counter, const void *aad, size_t aad_len, const void *in,
	       size_t len, uint8_t *out)
{
	uint8_t nonce[AEAD_NONCE];

	nonce_make(nonce, aead->cipher, counter);
	return aead_seal_nonce(aead, nonce, aad, aad_len, in, len, out);
}

bool aead_open(struct aead *aead, uint64_t counter, const void *aad, size_t aad_len, const void *in,
	       size_t len, uint8_t *out)
{
	uint8_t nonce[AEAD_NONCE];

	nonce_make(nonce, aead->cipher, counter);
	return aead_open_nonce(aead, nonce, aad, aad_len, in, len, out);
}

bool aead_seal_once(enum cipher cipher, const uint8_t key[AEAD_KEY], uint64_t counter,
		    const void *aad, size_t aad_len, const void *in, size_t len, uint8_t *out)
{
	struct aead aead;
	bool ok;

	if (!aead_init(&aead, cipher, AEAD_SEAL))
		return false;
	aead_set_key(&aead, key);
	ok = aead_seal(&aead, counter, aad, aad_len, in, len, out);
	aead_free(&aead);
	return ok;
}

bool aead_open_once(enum cipher cipher, const uint8_t key[AEAD_KEY], uint64_t counter,
		    const void *aad, size_t aad_len, const void *in, size_t len, uint8_t *out)
{
	struct aead aead;
	bool ok;

	if (!aead_init(&aead, cipher, AEAD_OPEN))
		return false;
	aead_set_key(&aead, key);
	ok = aead_open(&aead, counter, aad, aad_len, in, len, out);
	aead_free(&aead);
	return ok;
}
