/* SPDX-License-Identifier: MIT */
#include "core/aead_mb.h"

#ifdef HAVE_IPSEC_MB

#include <stdlib.h>
#include <intel-ipsec-mb.h>

#include "base/bytes.h"

#define ALIGNMENT 64

static IMB_MGR *manager; /* for the life of the process; read only once made */

bool aead_mb_start(void)
{
	if (manager)
		return true;
	manager = alloc_mb_mgr(0);
	if (!manager)
		return false;
	init_mb_mgr_auto(manager, NULL);
	if (imb_get_errno(manager) == 0 && manager->features & IMB_FEATURE_AESNI)
		return true;
	free_mb_mgr(manager);
	manager = NULL;
	return false;
}

void *aead_mb_new(void)
{
	size_t size = (sizeof(struct gcm_key_data) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

	return aligned_alloc(ALIGNMENT, size);
}

void aead_mb_free(void *ctx)
{
	if (ctx)
		bytes_wipe(ctx, sizeof(struct gcm_key_data));
	free(ctx);
}

void aead_mb_set_key(void *ctx, const uint8_t key[32])
{
	IMB_AES256_GCM_PRE(manager, key, ctx);
}

void aead_mb_forget(void *ctx)
{
	bytes_wipe(ctx, sizeof(struct gcm_key_data));
}

void aead_mb_seal(void *ctx, const uint8_t nonce[12], const void *aad, size_t aad_len,
		  const void *in, size_t len, uint8_t *out, uint8_t tag[16])
{
	struct gcm_context_data work;

	IMB_AES256_GCM_ENC(manager, ctx, &work, out, in, len, nonce, aad, aad_len, tag, 16);
}

void aead_mb_open(void *ctx, const uint8_t nonce[12], const void *aad, size_t aad_len,
		  const void *in, size_t len, uint8_t *out, uint8_t tag[16])
{
	struct gcm_context_data work;

	IMB_AES256_GCM_DEC(manager, ctx, &work, out, in, len, nonce, aad, aad_len, tag, 16);
}

#else

bool aead_mb_start(void)
{
	return false;
}

/* Not ready, so never called: the linker wants them. */
void *aead_mb_new(void)
{
	return NULL;
}

void aead_mb_free(void *ctx)
{
	(void)ctx;
}

void aead_mb_set_key(void *ctx, const uint8_t key[32])
{
	(void)ctx;
	(void)key;
}

void aead_mb_forget(void *ctx)
{
	(void)ctx;
}

void aead_mb_seal(void *ctx, const uint8_t nonce[12], const void *aad, size_t aad_len,
		  const void *in, size_t len, uint8_t *out, uint8_t tag[16])
{
	(void)ctx, (void)nonce, (void)aad, (void)aad_len, (void)in, (void)len, (void)out, (void)tag;
}

void aead_mb_open(void *ctx, const uint8_t nonce[12], const void *aad, size_t aad_len,
		  const void *in, size_t len, uint8_t *out, uint8_t tag[16])
{
	(void)ctx, (void)nonce, (void)aad, (void)aad_len, (void)in, (void)len, (void)out, (void)tag;
}

#endif
