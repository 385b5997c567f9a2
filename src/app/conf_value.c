/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/keyfile.h"
#include "base/bytes.h"
#include "conf_parts.h"
#include "host/resolve.h"
#include "host/trust.h"

#define VALUE_MAX 1024 /* iniparser's longest */

#define complain conf_value_complain

void conf_value_complain(const struct conf_place *place, const char *fmt, ...)
{
	char text[VALUE_MAX + CONF_PATH + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_report_add(place->report, place->line, "[%s] %s: %s", place->section, place->key->name,
			text);
}

size_t conf_value_split(char *s, char **items, size_t room)
{
	size_t n = 0;
	char *next;

	for (; s; s = next) {
		next = strchr(s, ',');
		if (next)
			*next++ = '\0';
		s += strspn(s, " \t");
		for (char *end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
			*--end = '\0';
		if (n < room)
			items[n] = s;
		n++;
	}
	return n;
}

static void set_name(const struct conf_place *place, char *out, const char *text)
{
	if (conf_name_valid(text))
		memcpy(out, text, strlen(text) + 1);
	else
		complain(place, "\"%s\" is not a name: must be 1 to %d of a-z 0-9 . _ -", text,
			 WIRE_NAME);
}

/* What the service manager hands over by this name, systemd.exec(5). */
static bool credential_path(const char *text, char out[CONF_PATH])
{
	const char *folder = secure_getenv("CREDENTIALS_DIRECTORY");

	if (!folder || !*folder || strchr(text, '/'))
		return false;
	return snprintf(out, CONF_PATH, "%s/%s", folder, text) < CONF_PATH &&
	       access(out, F_OK) == 0;
}

bool conf_value_path(const char *file, const char *text, char out[CONF_PATH])
{
	const char *slash = strrchr(file, '/');
	int n;

	if (credential_path(text, out))
		return true;
	if (*text == '/' || !slash)
		n = snprintf(out, CONF_PATH, "%s", text);
	else
		n = snprintf(out, CONF_PATH, "%.*s/%s", (int)(slash - file), file, text);
	return n < CONF_PATH;
}

static void set_key_file(const struct conf_place *place, uint8_t *out, const char *text)
{
	char error[CONF_PATH * 2 + 256];
	char path[CONF_PATH];

	if (!conf_value_path(place->report->file, text, path))
		complain(place, "the path is too long");
	else if (!keyfile_read(path, out, error, sizeof(error)))
		complain(place, "%s", error);
}

static void set_file(const struct conf_place *place, char out[CONF_PATH], const char *text)
{
	char path[CONF_PATH] = "";

	if (conf_value_path(place->report->file, text, path))
		memcpy(out, path, CONF_PATH);
	else
		complain(place, "the path is too long");
}

/* Who may change it is who decides what this process runs. */
static void set_program(const struct conf_place *place, char out[CONF_PATH], const char *text)
{
	char path[CONF_PATH] = "", real[TRUST_PATH], why[TRUST_WHY];

	if (!conf_value_path(place->report->file, text, path))
		complain(place, "the path is too long");
	else if (!trust_program(path, real, why))
		complain(place, "%s", why);
	else if (strlen(real) >= CONF_PATH)
		complain(place, "it leads to a path that is too long: %s", real);
	else
		memcpy(out, real, strlen(real) + 1);
}

static void set_cipher(const struct conf_place *place, enum cipher *out, const char *text)
{
	if (!cipher_parse(text, out))
		complain(place, "\"%s\" is not a cipher: must be %s or %s", text,
			 cipher_name(CIPHER_AES_256_GCM), cipher_name(CIPHER_CHACHA20_POLY1305));
}

static void set_log(const struct conf_place *place, enum log_level *out, const char *text)
{
	if (!log_level_parse(text, out))
		complain(place, "\"%s\" is not a level: must be error, warn, info or debug", text);
}

/* Decimal digits only: no sign, no hexadecimal, no octal. */
static void set_large(const struct conf_place *place, uint64_t *out, const char *text)
{
	unsigned long long min = place->key->min, max = place->key->max;
	size_t digits = strspn(text, "0123456789");
	unsigned long long v = strtoull(text, NULL, 10);

	if (text[digits] != '\0')
		complain(place, "\"%s\" is not a number: must be %llu to %llu %s", text, min, max,
			 place->key->unit);
	else if (v < min || v > max)
		complain(place, "%s is out of range: must be %llu to %llu %s", text, min, max,
			 place->key->unit);
	else
		*out = v;
}

static void set_number(const struct conf_place *place, unsigned *out, const char *text)
{
	uint64_t v = *out;

	set_large(place, &v, text);
	*out = (unsigned)v;
}

/* What the kernel takes as an interface's name; '%' would be a pattern. */
static bool interface_valid(const char *text)
{
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	for (; *text; text++)
		if (!isgraph((unsigned char)*text) || strchr("/:%", *text))
			return false;
	return true;
}

static void set_interface(const struct conf_place *place, char *out, const char *text)
{
	if (strlen(text) >= IFNAMSIZ)
		complain(place, "\"%s\" is too long for an interface: at most %d characters", text,
			 IFNAMSIZ - 1);
	else if (!interface_valid(text))
		complain(place,
			 "\"%s\" is not an interface's name: must be without / : %% and blanks",
			 text);
	else
		memcpy(out, text, strlen(text) + 1);
}

static void set_workers(const struct conf_place *place, unsigned *out, const char *text)
{
	if (strcmp(text, "auto") == 0)
		*out = CONF_WORKERS_AUTO;
	else if (isdigit((unsigned char)text[0]))
		set_number(place, out, text);
	else
		complain(place, "\"%s\": must be auto or a number of threads", text);
}

static void set_mss(const struct conf_place *place, unsigned *out, const char *text)
{
	if (strcmp(text, "no") == 0)
		*out = CONF_MSS_OFF;
	else if (strcmp(text, "yes") == 0)
		*out = CONF_MSS_PATH;
	else if (isdigit((unsigned char)text[0]))
		set_number(place, out, text);
	else
		complain(place, "\"%s\": must be yes, no or a number of bytes", text);
}

static void set_choice(const struct conf_place *place, bool *out, const char *text)
{
	const char *const *words = place->key->words;

	if (strcmp(text, words[0]) == 0)
		*out = true;
	else if (strcmp(text, words[1]) == 0)
		*out = false;
	else
		complain(place, "\"%s\": must be %s or %s", text, words[0], words[1]);
}

/* Which of the words, from 1. */
static void set_word(const struct conf_place *place, unsigned *out, const char *text)
{
	const char *const *words = place->key->words;

	char list[128] = "";
	size_t n = 0, used = 0;

	while (n < COUNT_OF(place->key->words) && words[n])
		n++;
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(text, words[i]) == 0) {
			*out = i + 1;
			return;
		}
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
					 i == 0	      ? ""
					 : i == n - 1 ? " or "
						      : ", ",
					 words[i]);
	}
	complain(place, "\"%s\": must be %s", text, list);
}

static void set_public_key(const struct conf_place *place, uint8_t *out, const char *text)
{
	uint8_t key[KEX_KEY];

	if (!kex_from_text(key, text) || bytes_all_zero(key, sizeof(key)))
		complain(place,
			 "\"%s\" is not a public key: must be 44 characters of base64, as lanspan "
			 "keygen prints it",
			 text);
	else
		memcpy(out, key, sizeof(key));
}

/* Two that one host cannot have at once: the same place, or one of them every
 * address of that family, and the same port. */
static bool listens_clash(const struct addr *a, const struct addr *b)
{
	bool any = bytes_all_zero(a->ip, sizeof(a->ip)) || bytes_all_zero(b->ip, sizeof(b->ip));

	return a->family == b->family && a->port == b->port && a->port != 0 && any;
}

/* Multicast cannot be listened at, nor called. */
static bool is_multicast(const struct addr *a)
{
	return a->family == ADDR_IPV6 ? a->ip[0] == 0xff : a->ip[0] >= 224;
}

static void add_listen(const struct conf_place *place, struct addr *list, unsigned *n,
		       const char *item)
{
	uint16_t port = place->key->port ? place->key->port : WIRE_PORT;
	struct addr a;

	if (!addr_parse(&a, item, port)) {
		complain(place, "\"%s\" is not an address: must be like 0.0.0.0:%u or [::]:%u",
			 item, port, port);
		return;
	}
	if (is_multicast(&a)) {
		complain(place,
			 "\"%s\" is no address of a host: must be one of this host's, or "
			 "0.0.0.0 or [::] for all",
			 item);
		return;
	}
	for (unsigned i = 0; i < *n; i++) {
		if (addr_equal(&list[i], &a)) {
			complain(place, "\"%s\" is there twice", item);
			return;
		}
		if (listens_clash(&list[i], &a)) {
			complain(place,
				 "\"%s\": another one stands for all addresses of its kind "
				 "with the same port: leave one of them out",
				 item);
			return;
		}
	}
	list[(*n)++] = a;
}

static void set_listen(const struct conf_place *place, struct addr *list, unsigned *count,
		       const char *text)
{
	char *items[CONF_LISTEN];
	char copy[VALUE_MAX + 1];
	size_t n;

	snprintf(copy, sizeof(copy), "%s", text);
	n = conf_value_split(copy, items, CONF_LISTEN);
	if (n > CONF_LISTEN)
		complain(place, "%zu addresses: at most %d", n, CONF_LISTEN);
	for (size_t i = 0; i < MIN(n, CONF_LISTEN); i++)
		add_listen(place, list, count, items[i]);
}

static bool port_valid(const char *text)
{
	size_t n = strlen(text);
	unsigned long port = strtoul(text, NULL, 10);

	return n <= 5 && strspn(text, "0123456789") == n && port >= 1 && port <= UINT16_MAX;
}

/* Why text is no "host[:port]", or NULL when it is one.  The resolver decides;
 * here is found what to say. */
static const char *address_fault(const char *text)
{
	const char *end = *text == '[' ? strchr(text, ']') : text + strcspn(text, ":");

	if (!end)
		return "must be like [2001:db8::1]:7741";
	if (*text == '[')
		end++;
	if (*end == ':' && strchr(end + 1, ':'))
		return "an IPv6 address must be in brackets, like [2001:db8::1]:7741";
	if (*end && (*end != ':' || !port_valid(end + 1)))
		return "the port must be 1 to 65535";
	if (resolve_valid(text, WIRE_PORT))
		return NULL;
	if (*text == '[' || strspn(text, "0123456789.") == (size_t)(end - text))
		return "must be like 192.0.2.1:7741 or [2001:db8::1]:7741";
	return "must be a host name or address, like vpn.example.net:7741";
}

static void add_address(const struct conf_place *place, char (*list)[CONF_HOST], unsigned *n,
			const char *item)
{
	const char *fault = address_fault(item);
	struct addr a;

	if (!fault && addr_parse(&a, item, WIRE_PORT) &&
	    (is_multicast(&a) || bytes_all_zero(a.ip, sizeof(a.ip))))
		fault = "must be the address of one host";
	if (fault) {
		complain(place, "\"%s\": %s", item, fault);
		return;
	}
	for (unsigned i = 0; i < *n; i++) {
		if (strcmp(list[i], item) == 0) {
			complain(place, "\"%s\" is there twice", item);
			return;
		}
	}
	if (strlen(item) >= CONF_HOST)
		complain(place, "\"%s\" is too long: at most %d characters", item, CONF_HOST - 1);
	else
		memcpy(list[(*n)++], item, strlen(item) + 1);
}

static void set_addresses(const struct conf_place *place, char (*list)[CONF_HOST], unsigned *count,
			  const char *text)
{
	char *items[CONF_ADDRESSES];
	char copy[VALUE_MAX + 1];
	size_t n;

	snprintf(copy, sizeof(copy), "%s", text);
	n = conf_value_split(copy, items, CONF_ADDRESSES);
	if (n > CONF_ADDRESSES)
		complain(place, "%zu addresses: at most %d", n, CONF_ADDRESSES);
	for (size_t i = 0; i < MIN(n, CONF_ADDRESSES); i++)
		add_address(place, list, count, items[i]);
}

void conf_value_set(const struct conf_place *place, void *object, const char *text)
{
	void *field = (char *)object + place->key->offset;
	void *count = (char *)object + place->key->count;

	if (!*text) {
		complain(place, "has no value: give one, or remove the line");
		return;
	}
	switch (place->key->kind) {
	case CONF_KIND_NAME:
		return set_name(place, field, text);
	case CONF_KIND_KEY_FILE:
		return set_key_file(place, field, text);
	case CONF_KIND_CIPHER:
		return set_cipher(place, field, text);
	case CONF_KIND_LISTEN:
		return set_listen(place, field, count, text);
	case CONF_KIND_LOG:
		return set_log(place, field, text);
	case CONF_KIND_NUMBER:
		return set_number(place, field, text);
	case CONF_KIND_LARGE:
		return set_large(place, field, text);
	case CONF_KIND_INTERFACE:
		return set_interface(place, field, text);
	case CONF_KIND_WORKERS:
		return set_workers(place, field, text);
	case CONF_KIND_MSS:
		return set_mss(place, field, text);
	case CONF_KIND_CHOICE:
		return set_choice(place, field, text);
	case CONF_KIND_WORD:
		return set_word(place, field, text);
	case CONF_KIND_PUBLIC_KEY:
		return set_public_key(place, field, text);
	case CONF_KIND_ADDRESSES:
		return set_addresses(place, field, count, text);
	case CONF_KIND_PROGRAM:
		return set_program(place, field, text);
	case CONF_KIND_FILE:
		return set_file(place, field, text);
	case CONF_KIND_KEYS:
		return conf_key_list_add(place, field, text);
	case CONF_KIND_KEYS_FILE:
		return conf_key_list_add_file(place, field, text);
	case CONF_KIND_END:
		return conf_value_set_end(place, field, text);
	case CONF_KIND_TRUNK:
		return conf_value_set_trunk(place, field, text);
	case CONF_KIND_IMPAIR:
		return conf_value_set_impair(place, field, text);
	case CONF_KIND_NETDEV:
		return conf_value_set_netdev(place, field, text);
	case CONF_KIND_TEXT:
		return conf_value_set_text(place, field, text);
	case CONF_KIND_NAMES:
		return conf_value_set_names(place, field, count, text);
	case CONF_KIND_INPUT:
		return conf_value_set_input(place, field, text);
	}
}
