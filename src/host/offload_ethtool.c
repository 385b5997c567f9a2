/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/offload.h"

#define FEATURES_MAX 256ul

static const struct feature {
	const char *name; /* the kernel's; "ethtool -k" prints it */
	uint32_t can;	  /* VNET_CAN_* */
	uint32_t bit;	  /* OFFLOAD_* */
} features[] = {
	{ "tx-checksum-ip-generic", VNET_CAN_CSUM, OFFLOAD_TX },
	{ "tx-scatter-gather", 0, OFFLOAD_SG },
	{ "tx-tcp-segmentation", VNET_CAN_TSO4, OFFLOAD_TSO },
	{ "tx-tcp6-segmentation", VNET_CAN_TSO6, OFFLOAD_TSO },
	{ "tx-tcp-ecn-segmentation", VNET_CAN_TSO_ECN, OFFLOAD_TSO },
	{ "tx-udp-segmentation", VNET_CAN_USO, OFFLOAD_USO },
};

/* ethtool -K's word for each OFFLOAD_* bit, from the lowest. */
static const char *const words[] = { "tx", "sg", "tso", "tx-udp-segmentation" };

/* Of struct offload_merging, a bit each. */
static const char *const merging[] = { "rx-udp-gro-forwarding", "rx-gro-list", "rx-lro" };

union names {
	struct ethtool_gstrings head;
	uint8_t room[sizeof(struct ethtool_gstrings) + FEATURES_MAX * ETH_GSTRING_LEN];
};

union states {
	struct ethtool_gfeatures head;
	uint8_t room[sizeof(struct ethtool_gfeatures) +
		     (FEATURES_MAX / 32) * sizeof(struct ethtool_get_features_block)];
};

union wishes {
	struct ethtool_sfeatures head;
	uint8_t room[sizeof(struct ethtool_sfeatures) +
		     (FEATURES_MAX / 32) * sizeof(struct ethtool_set_features_block)];
};

union info {
	struct ethtool_sset_info head;
	uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
};

static int ask(int fd, const char *name, void *request)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_data = request;
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

/* The names of the features, in the order of the states' bits. */
static int ask_names(int fd, const char *name, union names *out)
{
	union info info = { .head = { .cmd = ETHTOOL_GSSET_INFO,
				      .sset_mask = 1ull << ETH_SS_FEATURES } };
	int error = ask(fd, name, &info);

	if (error)
		return error;
	if (!info.head.sset_mask || info.head.data[0] > FEATURES_MAX)
		return -EOPNOTSUPP;
	out->head = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS,
					       .string_set = ETH_SS_FEATURES,
					       .len = info.head.data[0] };
	return ask(fd, name, out);
}

/* Its place in the states, or FEATURES_MAX. */
static unsigned find_feature(const union names *names, const char *feature)
{
	const char *name = (const char *)names->head.data;

	for (unsigned i = 0; i < names->head.len; i++) {
		if (strncmp(name + (size_t)i * ETH_GSTRING_LEN, feature, ETH_GSTRING_LEN) == 0)
			return i;
	}
	return FEATURES_MAX;
}

static void read_feature(const struct feature *f, const union names *names,
			 const union states *states, struct offload_features *out)
{
	const struct ethtool_get_features_block *b = states->head.features;
	unsigned at = find_feature(names, f->name);
	uint32_t bit = 1u << at % 32;

	if (at == FEATURES_MAX)
		return;
	out->active |= b[at / 32].active & bit ? f->can : 0;
	out->off |= b[at / 32].available & ~b[at / 32].requested & bit ? f->bit : 0;
}

int offload_features(const char *name, struct offload_features *out)
{
	union states states = { .head = { .cmd = ETHTOOL_GFEATURES, .size = FEATURES_MAX / 32 } };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error;
	union names names = { 0 };

	*out = (struct offload_features){ 0 };
	if (fd < 0)
		return -errno;
	error = ask_names(fd, name, &names);
	if (!error)
		error = ask(fd, name, &states);
	close(fd);
	for (size_t i = 0; i < COUNT_OF(features) && !error; i++)
		read_feature(&features[i], &names, &states, out);
	return error;
}

void offload_advice(uint32_t off, char out[OFFLOAD_ADVICE])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (off & 1u << i)
			len += (size_t)snprintf(out + len, OFFLOAD_ADVICE - len, "%s%s on",
						len ? " " : "", words[i]);
	}
}

/* The old request: every kernel has it, and it is one call. */
static int gro(const char *name, uint32_t cmd, uint32_t *value)
{
	struct ethtool_value v = { .cmd = cmd, .data = *value };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	error = ask(fd, name, &v);
	close(fd);
	*value = v.data;
	return error;
}

int offload_gro_get(const char *name, bool *on)
{
	uint32_t value = 0;
	int error = gro(name, ETHTOOL_GGRO, &value);

	*on = value;
	return error;
}

int offload_gro_set(const char *name, bool on)
{
	uint32_t value = on;

	return gro(name, ETHTOOL_SGRO, &value);
}

/* ---- merging ------------------------------------------------------------ */

static uint32_t merging_now(const union names *names, const union states *states)
{
	const struct ethtool_get_features_block *b = states->head.features;
	uint32_t on = 0;

	for (unsigned i = 0; i < COUNT_OF(merging); i++) {
		unsigned at = find_feature(names, merging[i]);

		if (at < FEATURES_MAX && b[at / 32].active & b[at / 32].available & 1u << at % 32)
			on |= 1u << i;
	}
	return on;
}

static int set_merging(int fd, const char *name, const union names *names, uint32_t which, bool on)
{
	union wishes wishes = { .head = { .cmd = ETHTOOL_SFEATURES,
					  .size = (names->head.len + 31) / 32 } };

	for (unsigned i = 0; i < COUNT_OF(merging); i++) {
		unsigned at = find_feature(names, merging[i]);
		struct ethtool_set_features_block *b = &wishes.head.features[at / 32];

		if (at == FEATURES_MAX || !(which & 1u << i))
			continue;
		b->valid |= 1u << at % 32;
		b->requested |= on ? 1u << at % 32 : 0;
	}
	return ask(fd, name, &wishes);
}

int offload_merging_off(const char *name, struct offload_merging *before)
{
	union states states = { .head = { .cmd = ETHTOOL_GFEATURES, .size = FEATURES_MAX / 32 } };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error;
	union names names = { 0 };

	*before = (struct offload_merging){ .ifindex = if_nametoindex(name) };
	snprintf(before->name, sizeof(before->name), "%s", name);
	if (fd < 0)
		return -errno;
	error = ask_names(fd, name, &names);
	if (!error)
		error = ask(fd, name, &states);
	if (!error)
		before->on = merging_now(&names, &states);
	if (before->on)
		error = set_merging(fd, name, &names, before->on, false);
	close(fd);
	return error;
}

void offload_merging_restore(const struct offload_merging *before)
{
	union names names = { 0 };
	int fd;

	if (!before->on || if_nametoindex(before->name) != before->ifindex)
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (ask_names(fd, before->name, &names) == 0)
		set_merging(fd, before->name, &names, before->on, true);
	close(fd);
}

void offload_merging_advice(const struct offload_merging *before, char out[OFFLOAD_ADVICE])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(merging); i++) {
		if (before->on & 1u << i)
			len += (size_t)snprintf(out + len, OFFLOAD_ADVICE - len, "%s%s off",
						len ? " " : "", merging[i]);
	}
}
