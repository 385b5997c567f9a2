/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  Forward: the bridge, with the NIC's MAC address so that neighbours
 * see no other host; the NIC into it; addresses onto the bridge before they leave the NIC,
 * so that no moment is without them and routes that prefer one as their source stay; then
 * routes.  It takes some milliseconds, and connections do not notice.
 *
 * Back is not the steps in reverse but "as the plan says it was", so that it serves from
 * every point that forward may have reached, twice as well as once.
 *
 * An address that another host of this segment knows as ours need not be checked for
 * duplicates again: for that time the check is switched off.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attach.h"
#include "base/bytes.h"

#define SETTLE_TRIES 150
#define SETTLE_MS 20
#define VALUE 128

/* The first failure counts.  Gives error back. */
static int trouble(struct attach_plan *plan, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int trouble(struct attach_plan *plan, int error, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (!error || plan->trouble[0])
		return error;
	va_start(ap, fmt);
	vsnprintf(plan->trouble, sizeof(plan->trouble), fmt, ap);
	va_end(ap);
	n = strlen(plan->trouble);
	snprintf(plan->trouble + n, sizeof(plan->trouble) - n, ": %s", strerror(-error));
	return error;
}

static int64_t seconds_since_boot(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec;
}

/* ---- /proc/sys/net/FAMILY/conf/LINK/KEY ---------------------------------------------- */

static bool setting_path(char out[300], const char *family, const char *link, const char *key)
{
	int n = snprintf(out, 300, "/proc/sys/net/%s/conf/%s/%s", family, link, key);

	return n > 0 && n < 300;
}

/* "" when there is none. */
static void setting_get(const char *family, const char *link, const char *key, char *out,
			size_t room)
{
	char path[300];
	ssize_t n = -1;
	int fd = -1;

	if (setting_path(path, family, link, key))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, out, room - 1);
		close(fd);
	}
	out[MAX(n, 0)] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static int setting_set(const char *family, const char *link, const char *key, const char *value)
{
	char path[300];
	int fd, error = 0;

	if (!setting_path(path, family, link, key))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* What an administrator set for the NIC is meant for who has its addresses.  Some settings
 * cannot be copied, and are not. */
static void settings_copy(const char *family, const char *from, const char *to)
{
	char path[300], value[VALUE], old[VALUE];
	const struct dirent *entry;
	DIR *folder;

	if (!setting_path(path, family, from, ""))
		return;
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, "mtu") == 0)
			continue;
		setting_get(family, from, entry->d_name, value, sizeof(value));
		setting_get(family, to, entry->d_name, old, sizeof(old));
		if (value[0] && strcmp(value, old) != 0)
			setting_set(family, to, entry->d_name, value);
	}
	if (folder)
		closedir(folder);
}

/* ---- addresses and routes ---------------------------------------------------------------- */

static void checks_off(const struct netlink_link *link, char checks[VALUE])
{
	setting_get("ipv6", link->name, "accept_dad", checks, VALUE);
	setting_set("ipv6", link->name, "accept_dad", "0");
}

static void checks_on(const struct netlink_link *link, const char *checks)
{
	if (checks[0])
		setting_set("ipv6", link->name, "accept_dad", checks);
}

static void settle(struct netlink *nl, const struct netlink_link *link)
{
	struct timespec pause = { .tv_nsec = SETTLE_MS * 1000000L };

	for (int i = 0; i < SETTLE_TRIES && !netlink_config_settled(nl, link); i++)
		nanosleep(&pause, NULL);
}

static int add_addresses(struct netlink *nl, struct attach_plan *plan,
			 const struct netlink_link *link)
{
	unsigned age = (unsigned)MAX(seconds_since_boot() - plan->read_at, 0);
	char what[NETLINK_CONFIG_TEXT] = "";
	int error = netlink_config_add_addresses(nl, &plan->config, link, age, what);

	return trouble(plan, error, "%s cannot be put on %s", what, link->name);
}

static int add_routes(struct netlink *nl, struct attach_plan *plan, const struct netlink_link *link)
{
	unsigned age = (unsigned)MAX(seconds_since_boot() - plan->read_at, 0);
	char what[NETLINK_CONFIG_TEXT] = "";
	int error;

	settle(nl, link);
	error = netlink_config_add_routes(nl, &plan->config, link, age, what);
	return trouble(plan, error, "%s cannot be put on %s", what, link->name);
}

static int take_from(struct netlink *nl, struct attach_plan *plan, const struct netlink_link *link)
{
	char what[NETLINK_CONFIG_TEXT] = "";
	int error = netlink_config_remove(nl, &plan->config, link, what);

	return trouble(plan, error, "%s cannot be taken from %s", what, link->name);
}

/* ---- the NIC, which may have been renamed, or pulled ----------------------------------- */

static bool is_same(const struct attach_plan *plan, const struct netlink_link *link)
{
	return link->index == plan->nic.index &&
	       (strcmp(link->name, plan->key) == 0 || mac_equal(link->mac, plan->nic.mac));
}

static int find_nic(struct netlink *nl, struct attach_plan *plan, struct netlink_link *nic)
{
	char name[IFNAMSIZ] = "";
	int error = -ENODEV;

	if (if_indextoname((unsigned)plan->nic.index, name))
		error = netlink_link_get(nl, name, nic);
	if (!error && is_same(plan, nic)) {
		memcpy(plan->nic.name, nic->name, sizeof(nic->name));
		return 0;
	}
	snprintf(plan->trouble, sizeof(plan->trouble),
		 "the NIC that was %s is gone (one that came back is another): lanspan detach "
		 "--forget %s",
		 plan->key, plan->key);
	return error && error != -ENODEV ? error : -ENODEV;
}

bool attach_nic_is_there(struct netlink *nl, struct attach_plan *plan)
{
	struct netlink_link nic;

	return find_nic(nl, plan, &nic) == 0;
}

/* ---- forward --------------------------------------------------------------------------- */

int attach_plan_read(struct netlink *nl, struct attach_plan *plan)
{
	char what[NETLINK_CONFIG_TEXT];
	struct netlink_link bridge;
	int error;

	plan->read_at = seconds_since_boot();
	setting_get("ipv6", plan->nic.name, "disable_ipv6", plan->ipv6_off, sizeof(plan->ipv6_off));
	error = netlink_config_movable(nl, &plan->nic, what);
	if (error == -EOPNOTSUPP)
		snprintf(plan->trouble, sizeof(plan->trouble),
			 "%s goes by a nexthop object, which cannot be moved: must have a gateway "
			 "of its own",
			 what);
	if (error == -ENOTUNIQ)
		snprintf(plan->trouble, sizeof(plan->trouble),
			 "%s goes by %s and by another link with the same metric, and the other "
			 "one would come first: one of them must have another metric",
			 what, plan->nic.name);
	if (!error)
		error = netlink_config_read(nl, &plan->nic, &plan->config);
	if (!error && !plan->make) {
		error = netlink_link_get(nl, plan->bridge, &bridge);
		if (!error)
			error = netlink_config_read(nl, &bridge, &plan->own);
	}
	return trouble(plan, error, "addresses and routes cannot be read");
}

static int bridge_make(struct netlink *nl, struct attach_plan *plan, struct netlink_link *bridge)
{
	int error = netlink_bridge_add(nl, plan->bridge);

	if (!error)
		error = netlink_link_get(nl, plan->bridge, bridge);
	if (!error)
		error = netlink_bridge_set_plain(nl, bridge->index);
	if (!error)
		error = netlink_link_set_mac(nl, bridge->index, plan->nic.mac);
	if (!error)
		error = netlink_link_set_mtu(nl, bridge->index, plan->nic.mtu);
	if (error)
		return trouble(plan, error, "bridge %s cannot be made", plan->bridge);
	settings_copy("ipv4", plan->nic.name, plan->bridge);
	settings_copy("ipv6", plan->nic.name, plan->bridge);
	return 0;
}

static int bridge_find(struct netlink *nl, struct attach_plan *plan, struct netlink_link *bridge)
{
	int error;

	if (plan->make && !(plan->leaving && if_nametoindex(plan->bridge)))
		return bridge_make(nl, plan, bridge);
	error = netlink_link_get(nl, plan->bridge, bridge);
	if (!error && strcmp(bridge->kind, "bridge") != 0)
		error = -ENODEV;
	return trouble(plan, error, "bridge %s", plan->bridge);
}

static int leave_nic(struct netlink *nl, struct attach_plan *plan)
{
	int error = take_from(nl, plan, &plan->nic);

	/* A port of a bridge has no IPv6 of its own. */
	if (plan->ipv6_off[0])
		setting_set("ipv6", plan->nic.name, "disable_ipv6", "1");
	return error;
}

static int join(struct netlink *nl, struct attach_plan *plan, const struct netlink_link *bridge)
{
	int error = netlink_link_set_up(nl, bridge->index, true);

	if (error)
		return trouble(plan, error, "%s cannot be brought up", plan->bridge);
	error = netlink_link_set_up(nl, plan->nic.index, true);
	if (error)
		return trouble(plan, error, "%s cannot be brought up", plan->nic.name);
	error = netlink_link_set_master(nl, plan->nic.index, bridge->index);
	return trouble(plan, error, "%s cannot join %s", plan->nic.name, plan->bridge);
}

int attach_forward(struct netlink *nl, struct attach_plan *plan)
{
	struct netlink_link bridge;
	int error = bridge_find(nl, plan, &bridge);
	char checks[VALUE];

	if (error)
		return error;
	checks_off(&bridge, checks);
	error = join(nl, plan, &bridge);
	if (!error)
		error = add_addresses(nl, plan, &bridge);
	if (!error)
		error = leave_nic(nl, plan);
	if (!error)
		error = add_routes(nl, plan, &bridge);
	checks_on(&bridge, checks);
	return error;
}

/* ---- back ------------------------------------------------------------------------------ */

static int leave_bridge(struct netlink *nl, struct attach_plan *plan)
{
	struct netlink_link bridge;
	int error = netlink_link_get(nl, plan->bridge, &bridge);

	if (error || strcmp(bridge.kind, "bridge") != 0)
		return 0;
	error = take_from(nl, plan, &bridge); /* rules would outlive it */
	if (!plan->make)
		return error;
	error = netlink_link_delete(nl, bridge.index);
	return trouble(plan, error, "bridge %s cannot be removed", plan->bridge);
}

static int mend_bridge(struct netlink *nl, struct attach_plan *plan)
{
	char what[NETLINK_CONFIG_TEXT] = "";
	struct netlink_link bridge;
	int error, last;

	if (plan->make || netlink_link_get(nl, plan->bridge, &bridge) != 0)
		return 0;
	if (!plan->bridge_up)
		netlink_link_set_up(nl, bridge.index, false);
	error = netlink_config_add_addresses(nl, &plan->own, &bridge, 0, what);
	trouble(plan, error, "%s cannot be put on %s", what, plan->bridge);
	last = plan->bridge_up ? netlink_config_add_routes(nl, &plan->own, &bridge, 0, what) : 0;
	trouble(plan, last, "%s cannot be put on %s", what, plan->bridge);
	return error ? error : last;
}

static int release(struct netlink *nl, struct attach_plan *plan, const struct netlink_link *nic)
{
	struct netlink_link bridge;
	int error = 0;

	if (plan->ipv6_off[0])
		setting_set("ipv6", plan->nic.name, "disable_ipv6", plan->ipv6_off);
	if (nic->master && netlink_link_get(nl, plan->bridge, &bridge) == 0 &&
	    nic->master == bridge.index)
		error = netlink_link_set_master(nl, nic->index, 0);
	trouble(plan, error, "%s cannot leave %s", nic->name, plan->bridge);
	return error ? error : netlink_link_set_up(nl, nic->index, true);
}

/* All of it, whatever failed before; the first failure. */
static int put_back(struct netlink *nl, struct attach_plan *plan, const struct netlink_link *nic)
{
	char checks[VALUE];
	int first, error;

	checks_off(nic, checks);
	first = release(nl, plan, nic);
	error = add_addresses(nl, plan, nic);
	first = first ? first : error;
	error = leave_bridge(nl, plan);
	first = first ? first : error;
	error = add_routes(nl, plan, nic);
	first = first ? first : error;
	checks_on(nic, checks);
	if (!plan->nic.up)
		netlink_link_set_up(nl, nic->index, false);
	return first;
}

int attach_back(struct netlink *nl, struct attach_plan *plan)
{
	struct netlink_link nic;
	int error, last;

	plan->trouble[0] = '\0';
	error = find_nic(nl, plan, &nic);
	if (error && plan->leaving)
		return error;
	if (error) /* it was unplugged, and never confirmed: the bridge at least */
		leave_bridge(nl, plan);
	else
		error = put_back(nl, plan, &nic);
	last = mend_bridge(nl, plan);
	return error ? error : last;
}

static unsigned count_ports(const char *bridge, const char *besides)
{
	const struct dirent *entry;
	char path[100];
	unsigned n = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/sys/class/net/%s/brif", bridge);
	folder = opendir(path);
	while (folder && (entry = readdir(folder)))
		n += entry->d_name[0] != '.' && strcmp(entry->d_name, besides) != 0;
	if (folder)
		closedir(folder);
	return n;
}

int attach_plan_turn(struct netlink *nl, struct attach_plan *plan, unsigned *others)
{
	char what[NETLINK_CONFIG_TEXT];
	struct netlink_config now;
	struct netlink_link bridge, nic;
	int error = find_nic(nl, plan, &nic);

	*others = 0;
	if (error)
		return error;
	error = netlink_link_get(nl, plan->bridge, &bridge);
	plan->made = plan->make;
	plan->leaving = true;
	plan->read_at = seconds_since_boot(); /* lifetimes begin anew, or are those of now */
	plan->nic.up = true;
	plan->bridge_up = true;
	if (error)
		return error == -ENODEV ? 0 : trouble(plan, error, "%s", plan->bridge);
	*others = count_ports(plan->bridge, plan->nic.name);
	if (!plan->make)
		return 0;
	error = netlink_config_movable(nl, &bridge, what);
	if (error)
		return trouble(plan, error, "%s by %s cannot be moved", what, plan->bridge);
	error = netlink_config_read(nl, &bridge, &now);
	if (error)
		return trouble(plan, error, "addresses and routes of %s", plan->bridge);
	netlink_config_free(&plan->config);
	plan->config = now;
	plan->make = *others == 0;
	return 0;
}

/* Without the NIC; who came by another port may still come. */
static void refill_bridge(struct netlink *nl, struct attach_plan *plan)
{
	struct netlink_link bridge;

	if (netlink_link_get(nl, plan->bridge, &bridge) != 0)
		return;
	add_addresses(nl, plan, &bridge);
	add_routes(nl, plan, &bridge);
}

int attach_return(struct netlink *nl, struct attach_plan *plan)
{
	struct netlink_link nic;
	int error;

	plan->trouble[0] = '\0';
	error = find_nic(nl, plan, &nic);
	if (error) {
		refill_bridge(nl, plan);
		return error;
	}
	plan->nic.mac = nic.mac;
	plan->nic.mtu = nic.mtu;
	error = attach_forward(nl, plan);
	if (error)
		return error;
	plan->make = plan->made;
	plan->leaving = false;
	return 0;
}
