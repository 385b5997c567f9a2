/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The digest and a keyless HMAC context are made at the
 * first call and kept; a call copies them.  A hash has no way to fail but a
 * library without memory or without SHA-256, and a caller that went on with a
 * wrong one would be unsafe, so that ends the process.
 */
#include "core/kex.h"

#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/bytes.h"

static once_flag started = ONCE_FLAG_INIT;
static EVP_MD *sha256;
static EVP_MAC_CTX *hmac_sha256;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void start(void)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	must(hmac);
	hmac_sha256 = EVP_MAC_CTX_new(hmac);
	EVP_MAC_free(hmac);
	must(hmac_sha256 && EVP_MAC_CTX_set_params(hmac_sha256, params) == 1);
	sha256 = EVP_MD_fetch(NULL, digest, NULL);
	must(sha256);
}

bool kex_public(uint8_t pub[KEX_KEY], const uint8_t priv[KEX_KEY])
{
	EVP_PKEY *own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, priv, KEX_KEY);
	size_t len = KEX_KEY;
	bool ok = own && EVP_PKEY_get_raw_public_key(own, pub, &len) == 1 && len == KEX_KEY;

	EVP_PKEY_free(own);
	return ok;
}

/* The library would compute the public key that it is not given. */
static EVP_PKEY *own_key(const uint8_t priv[KEX_KEY], const uint8_t own_pub[KEX_KEY])
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, (void *)priv, KEX_KEY),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)own_pub, KEX_KEY),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
	EVP_PKEY *own = NULL;

	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &own, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(ctx);
	return own;
}

/* Takes over own. */
static bool derive(uint8_t out[KEX_KEY], EVP_PKEY *own, const uint8_t pub[KEX_KEY])
{
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, pub, KEX_KEY);
	EVP_PKEY_CTX *ctx = own ? EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL) : NULL;
	size_t len = KEX_KEY;
	bool ok = ctx && peer && EVP_PKEY_derive_init(ctx) == 1 &&
		  EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
		  EVP_PKEY_derive(ctx, out, &len) == 1 && len == KEX_KEY &&
		  !bytes_all_zero(out, KEX_KEY);

	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	EVP_PKEY_free(own);
	if (!ok)
		bytes_wipe(out, KEX_KEY);
	return ok;
}

bool kex_shared(uint8_t out[KEX_KEY], const uint8_t priv[KEX_KEY], const uint8_t pub[KEX_KEY])
{
	return derive(out, EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, priv, KEX_KEY),
		      pub);
}

bool kex_shared_known(uint8_t out[KEX_KEY], const uint8_t priv[KEX_KEY],
		      const uint8_t own_pub[KEX_KEY], const uint8_t pub[KEX_KEY])
{
	return derive(out, own_key(priv, own_pub), pub);
}

void kex_hash(uint8_t out[KEX_HASH], const void *a, size_t a_len, const void *b, size_t b_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	call_once(&started, start);
	must(ctx && EVP_DigestInit_ex2(ctx, sha256, NULL) == 1);
	must(a_len == 0 || EVP_DigestUpdate(ctx, a, a_len) == 1);
	must(b_len == 0 || EVP_DigestUpdate(ctx, b, b_len) == 1);
	must(EVP_DigestFinal_ex(ctx, out, NULL) == 1);
	EVP_MD_CTX_free(ctx);
}

void kex_hmac(uint8_t out[KEX_HASH], const void *key, size_t key_len, const void *data, size_t len)
{
	const void *key_or_empty = key_len > 0 ? key : "";
	EVP_MAC_CTX *ctx;

	call_once(&started, start);
	ctx = EVP_MAC_CTX_dup(hmac_sha256);
	must(ctx && EVP_MAC_init(ctx, key_or_empty, key_len, NULL) == 1);
	must(len == 0 || EVP_MAC_update(ctx, data, len) == 1);
	must(EVP_MAC_final(ctx, out, &(size_t){ 0 }, KEX_HASH) == 1);
	EVP_MAC_CTX_free(ctx);
}

void kex_hkdf(uint8_t (*out)[KEX_HASH], unsigned n, const uint8_t chaining_key[KEX_HASH],
	      const void *input, size_t input_len)
{
	uint8_t temp[KEX_HASH], block[KEX_HASH + 1];

	kex_hmac(temp, chaining_key, KEX_HASH, input, input_len);
	for (unsigned i = 0; i < n; i++) {
		size_t before = i > 0 ? KEX_HASH : 0;

		if (i > 0)
			memcpy(block, out[i - 1], KEX_HASH);
		block[before] = (uint8_t)(i + 1);
		kex_hmac(out[i], temp, sizeof(temp), block, before + 1);
	}
	bytes_wipe(temp, sizeof(temp));
	bytes_wipe(block, sizeof(block));
}

void kex_to_text(char out[KEX_TEXT], const uint8_t key[KEX_KEY])
{
	EVP_EncodeBlock((unsigned char *)out, key, KEX_KEY);
}

bool kex_from_text(uint8_t out[KEX_KEY], const char *text)
{
	uint8_t bytes[KEX_KEY + 1]; /* the decoder counts the padding in */
	char again[KEX_TEXT];
	bool ok = strnlen(text, KEX_TEXT) == KEX_TEXT - 1 &&
		  EVP_DecodeBlock(bytes, (const unsigned char *)text, KEX_TEXT - 1) ==
			  (int)sizeof(bytes);

	/* What encodes back to itself is canonical, and free of white space. */
	if (ok) {
		kex_to_text(again, bytes);
		ok = bytes_equal_secret(again, text, KEX_TEXT);
		bytes_wipe(again, sizeof(again));
	}
	if (ok)
		memcpy(out, bytes, KEX_KEY);
	bytes_wipe(bytes, sizeof(bytes));
	return ok;
}
