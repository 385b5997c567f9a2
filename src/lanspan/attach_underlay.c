/* SPDX-License-Identifier: MIT */
/* The paths that must not be cut: those of the tunnel itself, and of who typed this. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attach.h"
#include "base/bytes.h"
#include "core/wire.h"
#include "host/ctlsock.h"

#define PATIENCE 2
#define DEFAULT_PORT 7741

/* What it shows, or NULL. */
static json_t *ask(const char *instance)
{
	char path[INSTANCE_PATH], *text = NULL;
	json_t *answer = NULL;
	size_t len;

	if (instance_path(path, instance) &&
	    ctlsock_ask(path, "{\"verb\":\"show\",\"what\":\"all\"}", PATIENCE, &text, &len) == 0)
		answer = json_loadb(text, len, 0, NULL);
	free(text);
	return answer;
}

static ino_t network_of(const char *process)
{
	char path[60];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", process);
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

/* A container's control sockets may lie beside ours; its network is not our concern. */
static bool is_elsewhere(const json_t *answer)
{
	const json_t *pid = json_object_get(json_object_get(answer, "site"), "pid");
	char process[24];
	ino_t there;

	snprintf(process, sizeof(process), "%lld", (long long)json_integer_value(pid));
	there = network_of(process);
	return there && there != network_of("self");
}

/* Calls back with the answer of each instance that runs on this network. */
static void each_instance(void (*call)(void *ctx, const char *instance, const json_t *answer),
			  void *ctx)
{
	char(*names)[WIRE_NAME + 1];
	int n = instance_list(&names);
	json_t *answer;

	for (int i = 0; i < n; i++) {
		answer = ask(names[i]);
		if (answer && !is_elsewhere(answer))
			call(ctx, names[i], answer);
		json_decref(answer);
	}
	free(names);
}

/* One that has no way now has none to lose. */
static void add_place(struct attach_places *places, const char *text, const char *whom)
{
	struct attach_place *place = &places->place[places->count];

	if (!text || places->count == ATTACH_PLACES ||
	    !addr_parse(&place->addr, text, DEFAULT_PORT) ||
	    netlink_route_link(&place->addr, &place->index) != 0)
		return;
	snprintf(place->whom, sizeof(place->whom), "%s", whom);
	places->count++;
}

static void add_row(struct attach_places *places, const char *instance, const char *kind,
		    const json_t *row)
{
	const json_t *addresses = json_object_get(row, "addresses"), *address;
	char whom[64], *name = text_member(row, "name");
	size_t i;

	snprintf(whom, sizeof(whom), "%s %s of %s", kind, name, instance);
	free(name);
	add_place(places, json_string_value(json_object_get(row, "endpoint")), whom);
	json_array_foreach((json_t *)addresses, i, address)
		add_place(places, json_string_value(address), whom);
}

static void add_instance(void *ctx, const char *instance, const json_t *answer)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "peers"), i, row)
		add_row(ctx, instance, "peer", row);
	json_array_foreach(json_object_get(answer, "relays"), i, row)
		add_row(ctx, instance, "relay", row);
}

/* The address at the other end of an ssh session: "ADDRESS PORT ADDRESS PORT". */
static void add_login(struct attach_places *places)
{
	const char *text = getenv("SSH_CONNECTION");
	char address[100];
	size_t n = text ? strcspn(text, " ") : 0;

	if (!n || n > 60)
		return;
	if (memchr(text, ':', n))
		snprintf(address, sizeof(address), "[%.*s]", (int)n, text);
	else
		snprintf(address, sizeof(address), "%.*s", (int)n, text);
	add_place(places, address, "this ssh session");
}

void attach_places_find(struct attach_places *places)
{
	places->count = 0;
	add_login(places);
	each_instance(add_instance, places);
}

struct tap_search {
	const char *name;
	char *instance;
	bool found;
};

static void compare_tap(void *ctx, const char *instance, const json_t *answer)
{
	const json_t *site = json_object_get(answer, "site");
	const char *tap = json_string_value(json_object_get(site, "tap"));
	struct tap_search *search = ctx;

	if (!tap || strcmp(tap, search->name) != 0)
		return;
	snprintf(search->instance, WIRE_NAME + 1, "%s", instance);
	search->found = true;
}

bool attach_is_tap(const char *name, char instance[WIRE_NAME + 1])
{
	struct tap_search search = { .name = name, .instance = instance };

	each_instance(compare_tap, &search);
	return search.found;
}

bool attach_places_reached(const struct attach_places *places, struct attach_plan *plan)
{
	int bridge = (int)if_nametoindex(plan->bridge), wanted, index = 0, error;
	int gone = bridge ? bridge : plan->config.index;
	int from = plan->leaving ? gone : plan->nic.index;
	int to = plan->leaving ? plan->nic.index : bridge;
	const struct attach_place *place = places->place;
	char text[ADDR_TEXT];

	for (size_t i = 0; i < places->count; i++, place++) {
		wanted = place->index == from ? to : place->index;
		error = netlink_route_link(&place->addr, &index);
		if (!error && (index == wanted || (plan->leaving && index == place->index)))
			continue;
		snprintf(plan->trouble, sizeof(plan->trouble),
			 "%s at %s would be cut off: its way %s", place->whom,
			 addr_format(&place->addr, text),
			 error ? "is gone" : "would be by another link");
		return false;
	}
	return true;
}
