/* SPDX-License-Identifier: MIT */
/* The known answers of lanspan-protocol(7), made apart from this code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/relay.h"

static const char call[] =
	"070000001122334479a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51a"
	"cd55dcee03b530dc7043ef8aa4f3436eea7b82e6d37ea234d0fbcb5f618e69d2a709628d7d6aa318"
	"8c56149d71e16268c4d0b49c6d80c08336af9344ab420f236567068805a4b3d5c2b82b1a0a65fe49"
	"0018407b4fda581eab9ddff15dd934d4995d25e99e94e546598eda46445181324c11aac5f6bef833"
	"0bc17af38464d1d28e01dea3fc4677bf21f8732b5cbecf8b86d7fb4832466c5880b051c3e5119806"
	"7e5adaa5200fb7473dae9692c2b414e0339577f0c59dad52745732d9f390c6b9f32f658255ddaa0c"
	"da039fa137252601cf1db07800000000000000000000000000000000";
static const char answer[] =
	"020000000150000011223344675dd574ed7789310b3d2e7681f3790b466c773b1521fecf36577958"
	"371ea52f746296c41e2ef6a1f6bce0a1b2324551a3df346be2a7f530f78fadfefbc07bbde8539c2f"
	"9720a120751de2fbf9060a71037b89e30428e3ff1c3a4fa014a971ff7a8cb008283f85bb7a3275f3"
	"a0c819832fce52a0f60df7cd44866073289002cc67dc98c9ae827697000000000000000000000000"
	"00000000";
static const char ping[] =
	"040000000150000000000000000000000a470b2064b38ef4fe40d6b96acfc94a63d167dbf78bc418"
	"c46f3095175458949bd5";
static const char pong[] =
	"040000001122334400000000000000009d99d5dd90490ccfd5d23f0aea3b7db37889a2791d3739da"
	"f9d9eed1e330a66321ebc060e80332e5db00fd30c0260a7aa84e0f3c7791aa87215de1e910f4a8fc"
	"15";
static const char hop_in[] =
	"06000028015000000000000000000001000000000000000204000000a0a1a2a3a4a5a6a7a8a9aaab"
	"acadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3d778629fec969ba5c48b40bbc34117e9";

static const struct addr site = { .family = ADDR_IPV4, .ip = { 192, 0, 2, 1 }, .port = 7741 };
static const struct instant now = { SECONDS(50) };
static struct relay *relay;
static uint8_t sent[2000];
static size_t sent_len;

static size_t from_hex(uint8_t *out, const char *hex)
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++) {
		unsigned byte = 0;

		for (unsigned j = 0; j < 2; j++) {
			char c = hex[2 * i + j];

			byte = byte * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
		}
		out[i] = (uint8_t)byte;
	}
	return len;
}

/* Ephemeral keys of the page, and its relay's index and first revision. */
static void known(void *ctx, void *out, size_t n)
{
	uint8_t *b = out;

	(void)ctx;
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(0x60 + i);
	if (n == 4)
		memcpy(out, &(uint32_t){ 0x2a }, 4);
}

static void take_runs(void *ctx, struct run **runs, size_t n)
{
	(void)ctx;
	assert_int_equal(n, 1);
	memcpy(sent, runs[0]->data, runs[0]->len);
	sent_len = runs[0]->len;
}

static void give(const char *hex)
{
	uint8_t packet[400];
	size_t len = from_hex(packet, hex);

	sent_len = 0;
	relay_datagrams(relay, 0, &site, packet, len, len, now);
	relay_close(relay);
}

static void assert_sent(const char *hex)
{
	uint8_t wanted[400];
	size_t len = from_hex(wanted, hex);

	assert_int_equal(sent_len, len);
	assert_memory_equal(sent, wanted, len);
}

static void test_known_answers(void **state)
{
	struct relay_setup setup = {
		.name = "hub", .rand = { known, NULL }, .max_members = 4, .timeout = SECONDS(60)
	};
	struct relay_network_setup net = { .name = "lab", .access = RELAY_SECRET };
	struct relay_member_view view;
	size_t at = 0;

	(void)state;
	for (uint8_t i = 0; i < KEX_KEY; i++) {
		setup.private_key[i] = 0x20 + i;
		net.secret[i] = 0x80 + i;
	}
	relay = relay_new(&setup, take_runs, NULL, now);
	assert_non_null(relay);
	assert_true(relay_network_set(relay, &net, now));
	give(call);
	assert_sent(answer);
	give(ping);
	assert_sent(pong);
	assert_true(relay_next_member(relay, "lab", &at, &view));
	assert_string_equal(view.name, "berlin");
	give(hop_in);
	assert_int_equal(sent_len, 0);
	assert_int_equal(relay_drops(relay)[RELAY_MEMBER], 1); /* there is no member 2 */
	relay_free(relay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
