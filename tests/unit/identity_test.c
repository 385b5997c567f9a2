/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/identity.h"

static struct rand_seeded seeded;

static struct identity make(const char *network, const char *name)
{
	const uint8_t private_key[KEX_KEY] = { 1 }, psk[KEX_KEY] = { 2 };
	struct identity self;

	assert_true(identity_init(&self, private_key, psk, CIPHER_AES_256_GCM, network, name, 1400,
				  rand_source_seeded(&seeded, 1)));
	return self;
}

static void test_what_it_holds(void **state)
{
	struct identity self = make("lab", "berlin");
	uint8_t public_key[KEX_KEY], hash[KEX_HASH];

	(void)state;
	assert_true(kex_public(public_key, self.private_key));
	assert_memory_equal(self.public_key, public_key, KEX_KEY);
	kex_hash(hash, public_key, KEX_KEY, NULL, 0);
	assert_memory_equal(self.id, hash, IDENTITY_ID);
	assert_string_equal(self.network, "lab");
	assert_string_equal(self.name, "berlin");
	assert_int_equal(self.mtu, 1400);
	assert_int_equal(self.psk[0], 2);
}

/* "lanspan", the version, and the network's name: what every handshake binds. */
static void test_prologue(void **state)
{
	struct identity self = make("lab", "berlin");

	(void)state;
	assert_int_equal(self.prologue_len, 11);
	assert_memory_equal(self.prologue, "lanspan\001lab", 11);
}

static void test_long_names_are_cut(void **state)
{
	char longer[2 * WIRE_NAME];
	struct identity self;

	(void)state;
	memset(longer, 'n', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	self = make(longer, longer);
	assert_int_equal(strlen(self.network), WIRE_NAME);
	assert_int_equal(strlen(self.name), WIRE_NAME);
	assert_int_equal(self.prologue_len, 8 + WIRE_NAME);
}

static void test_wipe(void **state)
{
	struct identity self = make("lab", "berlin");

	(void)state;
	identity_wipe(&self);
	assert_true(bytes_all_zero(&self, sizeof(self)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_holds),
		cmocka_unit_test(test_prologue),
		cmocka_unit_test(test_long_names_are_cut),
		cmocka_unit_test(test_wipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
