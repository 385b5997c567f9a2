/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "base/bytes.h"
#include "host/ctlsock.h"
#include "host/proc.h"

static int folder_make(char folder[ATTACH_PATH])
{
	if (!ctlsock_folder(folder, ATTACH_PATH))
		return -ENAMETOOLONG;
	return ctlsock_folder_make(folder);
}

static int path_of(char out[ATTACH_PATH], const char *format, const char *word)
{
	char folder[ATTACH_PATH];
	int error = folder_make(folder), n, m;

	if (error)
		return error;
	n = snprintf(out, ATTACH_PATH, "%s/", folder);
	if (n >= ATTACH_PATH)
		return -ENAMETOOLONG;
	m = snprintf(out + n, (size_t)(ATTACH_PATH - n), format, word);
	return n + m < ATTACH_PATH ? 0 : -ENAMETOOLONG;
}

static int state_path(char out[ATTACH_PATH], const char *nic)
{
	return strchr(nic, '/') ? -EINVAL : path_of(out, "attach-%s.state", nic);
}

static int lock_open(void)
{
	char path[ATTACH_PATH];
	int error = path_of(path, "%s", "attach.lock"), fd;

	if (error)
		return error;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

int attach_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = lock_open(), error;

	if (fd < 0 || fcntl(fd, F_SETLK, &lock) == 0)
		return fd;
	error = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	close(fd);
	return error;
}

pid_t attach_lock_holder(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = lock_open();

	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) < 0)
		lock.l_type = F_UNLCK;
	close(fd);
	return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static json_t *hex(const struct netlink_config *config)
{
	char *text = malloc(2 * config->len + 1);
	json_t *value;

	if (!text)
		return NULL;
	bytes_to_hex(text, config->bytes, config->len);
	value = json_string(text);
	free(text);
	return value;
}

static json_t *state_object(const struct attach_plan *plan)
{
	char mac[MAC_TEXT];

	return json_pack("{ss sI si ss ss sb ss sb sb ss sb sb sb si sI si si ss so so}", "interface", plan->key,
			 "network", (json_int_t)proc_network(),
			 "index", plan->nic.index, "mac", mac_format(plan->nic.mac, mac),
			 "kind", plan->nic.kind, "up", plan->nic.up,
			 "bridge", plan->bridge, "make", plan->make, "bridge_up", plan->bridge_up,
			 "disable_ipv6", plan->ipv6_off, "attached", plan->attached, "leaving",
			 plan->leaving, "made", plan->made, "guardian", (int)plan->guardian, "read_at", (json_int_t)plan->read_at, "bridge_index",
			 plan->own.index, "config_index", plan->config.index, "config_name",
			 plan->config.name, "config", hex(&plan->config), "own", hex(&plan->own));
}

/* Whole or not at all, also when the power fails: the new file takes the old one's place. */
int attach_state_save(const struct attach_plan *plan)
{
	char path[ATTACH_PATH], fresh[ATTACH_PATH];
	int error = state_path(path, plan->key), fd;
	json_t *object;

	if (!error)
		error = path_of(fresh, "attach-%s.new", plan->key);
	if (error)
		return error;
	unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	object = state_object(plan);
	if (!object)
		error = -ENOMEM;
	else if (json_dumpfd(object, fd, JSON_INDENT(2)) < 0 || fsync(fd) < 0)
		error = errno ? -errno : -EIO;
	json_decref(object);
	close(fd);
	if (!error && rename(fresh, path) < 0)
		error = -errno;
	if (error)
		unlink(fresh);
	return error;
}

static int digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int load_config(struct netlink_config *out, const struct netlink_link *link,
		       const char *text)
{
	size_t len = strlen(text) / 2;
	uint8_t *bytes = malloc(len + 1);
	int error = bytes ? 0 : -ENOMEM;

	for (size_t i = 0; !error && i < len; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			error = -EBADMSG;
		else
			bytes[i] = (uint8_t)(high << 4 | low);
	}
	if (!error)
		error = netlink_config_load(out, link, bytes, len);
	free(bytes);
	return error;
}

static void copy_name(char *out, size_t room, const char *text)
{
	snprintf(out, room, "%s", text);
}

static int read_state(struct attach_plan *plan, json_t *object)
{
	const char *name, *kind, *bridge, *off, *config, *own, *from_name = NULL, *mac = NULL;
	int up, make, bridge_up, attached, leaving = 0, made = 0, guardian, error;
	struct netlink_link link = { 0 }, from = { 0 };
	struct attach_plan p = { 0 };
	json_int_t read_at, network;

	if (json_unpack(object, "{ss sI si s?s ss sb ss sb sb ss sb s?b s?b si sI si s?i s?s ss ss}", "interface", &name,
			"network", &network, "index", &p.nic.index, "mac", &mac, "kind", &kind, "up", &up, "bridge", &bridge, "make",
			&make, "bridge_up", &bridge_up, "disable_ipv6", &off, "attached", &attached,
			"leaving", &leaving, "made", &made, "guardian", &guardian, "read_at", &read_at, "bridge_index", &link.index,
			"config_index", &from.index, "config_name", &from_name, "config", &config,
			"own", &own) < 0)
		return -EBADMSG;
	if ((uint64_t)network != proc_network())
		return -EXDEV;
	if (mac && !mac_parse(&p.nic.mac, mac))
		return -EBADMSG;
	copy_name(p.nic.name, sizeof(p.nic.name), name);
	copy_name(p.key, sizeof(p.key), name);
	copy_name(p.nic.kind, sizeof(p.nic.kind), kind);
	copy_name(p.bridge, sizeof(p.bridge), bridge);
	copy_name(link.name, sizeof(link.name), bridge);
	copy_name(p.ipv6_off, sizeof(p.ipv6_off), off);
	p.nic.up = up;
	p.make = make;
	p.bridge_up = bridge_up;
	p.attached = attached;
	p.leaving = leaving;
	p.made = made;
	copy_name(from.name, sizeof(from.name), from_name ? from_name : "");
	p.guardian = guardian;
	p.read_at = read_at;
	error = load_config(&p.config, from_name ? &from : &p.nic, config);
	if (!error)
		error = load_config(&p.own, &link, own);
	if (error)
		attach_plan_free(&p);
	else
		*plan = p;
	return error;
}

int attach_state_load(struct attach_plan *plan, const char *nic)
{
	char path[ATTACH_PATH];
	int error = state_path(path, nic), fd;
	json_t *object;

	if (error)
		return error;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	object = json_loadfd(fd, 0, NULL);
	close(fd);
	error = object ? read_state(plan, object) : -EBADMSG;
	json_decref(object);
	return error;
}

void attach_state_remove(const char *nic)
{
	char path[ATTACH_PATH];

	if (state_path(path, nic) == 0)
		unlink(path);
}

void attach_plan_free(struct attach_plan *plan)
{
	netlink_config_free(&plan->config);
	netlink_config_free(&plan->own);
}
