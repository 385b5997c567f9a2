/* SPDX-License-Identifier: MIT */
/* Texts of addresses: what parses is formatted to a text that parses to the
 * same address, and formats to the same text. */
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/mac.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_addr(const char *text)
{
	char once[ADDR_TEXT], twice[ADDR_TEXT];
	struct addr a, b;

	if (!addr_parse(&a, text, 7741))
		return;
	must(addr_parse(&b, addr_format(&a, once), 0));
	must(addr_equal(&a, &b) && addr_hash(&a, 1) == addr_hash(&b, 1));
	must(strcmp(once, addr_format(&b, twice)) == 0);
}

static void check_mac(const char *text)
{
	char out[MAC_TEXT];
	struct mac a, b;

	if (!mac_parse(&a, text))
		return;
	must(mac_parse(&b, mac_format(a, out)) && mac_equal(a, b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	check_addr(text);
	check_mac(text);
	free(text);
	return 0;
}
