/* SPDX-License-Identifier: MIT */
/* What may be put into a bridge, and who else thinks that the NIC is his. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "base/bytes.h"

#define FILE_ROOM 4096

/* What is in a small file, "" when it cannot be read. */
static void read_file(char out[FILE_ROOM], const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, FILE_ROOM - 1);

	if (fd >= 0)
		close(fd);
	out[MAX(n, 0)] = '\0';
}

static void read_sys(char out[FILE_ROOM], const char *link, const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", link, name);
	read_file(out, path);
}

static bool has_sys(const char *link, const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", link, name);
	return access(path, F_OK) == 0;
}

static enum cli_status refuse_port(struct netlink *nl, const struct netlink_link *nic)
{
	char name[IFNAMSIZ] = "?";
	struct netlink_link master = { 0 };

	if (if_indextoname((unsigned)nic->master, name))
		netlink_link_get(nl, name, &master);
	if (strcmp(master.kind, "bridge") == 0)
		return cli_error(CLI_FAILED,
				 "%s is in the bridge %s already: let the TAP join that one, by "
				 "\"bridge = %s\" in [bridge]",
				 nic->name, name, name);
	return cli_error(CLI_FAILED, "%s belongs to %s%s%s: attach that one instead", nic->name,
			 name, master.kind[0] ? ", a " : "", master.kind);
}

static enum cli_status refuse_wifi(const char *name)
{
	return cli_error(
		CLI_FAILED,
		"%s is a Wi-Fi station, which a bridge cannot use: its access point takes frames "
		"from one MAC address only, its own.  What works instead: a cable; routing, with a "
		"network of its own behind this host; a port with kind = nic, for what can be "
		"heard "
		"there; or 4-address mode (iw dev %s set 4addr on), if the access point has it: "
		"then --force",
		name, name);
}

static enum cli_status check_nic(struct netlink *nl, const struct netlink_link *nic, bool force)
{
	char instance[WIRE_NAME + 1], type[FILE_ROOM];

	read_sys(type, nic->name, "type");
	if (strtol(type, NULL, 10) == ARPHRD_LOOPBACK)
		return cli_error(CLI_FAILED, "%s is loopback: must be the NIC that is on the LAN",
				 nic->name);
	if (strcmp(nic->kind, "bridge") == 0)
		return cli_error(CLI_FAILED,
				 "%s is a bridge itself: let the TAP join it, by \"bridge = %s\" "
				 "in [bridge]",
				 nic->name, nic->name);
	if (attach_is_tap(nic->name, instance))
		return cli_error(CLI_FAILED,
				 "%s is the TAP of %s: it joins a bridge by \"bridge = NAME\" in "
				 "[bridge]",
				 nic->name, instance);
	if (nic->master)
		return refuse_port(nl, nic);
	if (strtol(type, NULL, 10) != ARPHRD_ETHER)
		return cli_error(CLI_FAILED, "%s carries no Ethernet frames: must be routed",
				 nic->name);
	if (!force && (has_sys(nic->name, "wireless") || has_sys(nic->name, "phy80211")))
		return refuse_wifi(nic->name);
	return CLI_DONE;
}

static enum cli_status check_bridge(struct netlink *nl, struct attach_plan *plan)
{
	struct netlink_link bridge;
	int error = netlink_link_get(nl, plan->bridge, &bridge);

	plan->make = error == -ENODEV;
	if (plan->make)
		return CLI_DONE;
	if (error)
		return cli_error(CLI_FAILED, "%s: %s", plan->bridge, strerror(-error));
	plan->bridge_up = bridge.up;
	if (strcmp(bridge.kind, "bridge") == 0)
		return CLI_DONE;
	return cli_error(CLI_FAILED, "%s is no bridge but %s%s: must be another name", plan->bridge,
			 bridge.kind[0] ? "of the kind " : "a NIC", bridge.kind);
}

enum cli_status attach_check(struct netlink *nl, struct attach_plan *plan, const char *nic,
			     const char *bridge, bool force)
{
	enum cli_status status;
	int error;

	if (!bridge[0] || strlen(bridge) >= IFNAMSIZ || strpbrk(bridge, "/:% \t\n"))
		return cli_error(CLI_USAGE, "%s: not the name of a bridge", bridge);
	error = netlink_link_get(nl, nic, &plan->nic);
	if (error)
		return cli_error(CLI_FAILED, "%s: %s", nic,
				 error == -ENODEV ? "no such NIC: ip link shows them"
						  : strerror(-error));
	snprintf(plan->key, sizeof(plan->key), "%s", plan->nic.name);
	snprintf(plan->bridge, sizeof(plan->bridge), "%s", bridge);
	status = check_nic(nl, &plan->nic, force);
	return status == CLI_DONE ? check_bridge(nl, plan) : status;
}

/* ---- who else ---------------------------------------------------------------------------- */

static void warn_networkd(const struct attach_plan *plan)
{
	char path[100], text[FILE_ROOM];

	snprintf(path, sizeof(path), "/run/systemd/netif/links/%d", plan->nic.index);
	read_file(text, path);
	if (!strstr(text, "ADMIN_STATE=") || strstr(text, "ADMIN_STATE=unmanaged"))
		return;
	fprintf(stderr,
		"lanspan: systemd-networkd configures %s, and may take it back.  To last, below "
		"/etc/systemd/network:\n"
		"  %s.netdev:  [NetDev] Name=%s Kind=bridge\n"
		"  %s.network: [Match] Name=%s [Network] Bridge=%s\n"
		"  %s.network: [Match] Name=%s, and what %s had under [Network]\n",
		plan->nic.name, plan->bridge, plan->bridge, plan->nic.name, plan->nic.name,
		plan->bridge, plan->bridge, plan->bridge, plan->nic.name);
}

static void warn_network_manager(const struct attach_plan *plan)
{
	char path[100], text[FILE_ROOM];

	snprintf(path, sizeof(path), "/run/NetworkManager/devices/%d", plan->nic.index);
	read_file(text, path);
	if (!text[0] || strstr(text, "managed=unmanaged") || strstr(text, "managed=false"))
		return;
	fprintf(stderr,
		"lanspan: NetworkManager configures %s, and may take it back.  To last:\n"
		"  nmcli connection add type bridge ifname %s con-name %s bridge.stp no\n"
		"  nmcli connection add type ethernet ifname %s con-name %s-%s master %s\n",
		plan->nic.name, plan->bridge, plan->bridge, plan->nic.name, plan->bridge,
		plan->nic.name, plan->bridge);
}

static void warn_ifupdown(const struct attach_plan *plan)
{
	char path[100];

	snprintf(path, sizeof(path), "/run/network/ifstate.%s", plan->nic.name);
	if (access(path, F_OK) < 0)
		return;
	fprintf(stderr,
		"lanspan: ifupdown configures %s.  To last, in /etc/network/interfaces (with "
		"bridge-utils):\n"
		"  iface %s inet manual\n"
		"  auto %s\n"
		"  iface %s inet dhcp (or what %s had)\n"
		"      bridge_ports %s\n"
		"      bridge_stp off\n"
		"      bridge_fd 0\n",
		plan->nic.name, plan->nic.name, plan->bridge, plan->bridge, plan->nic.name,
		plan->nic.name);
}

/* Whether one of the process's arguments is the NIC's name. */
static bool has_argument(const char *pid, const char *nic)
{
	char path[300], text[FILE_ROOM] = "";
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	for (const char *word = text; word < text + n; word += strlen(word) + 1)
		if (strcmp(word, nic) == 0)
			return true;
	return false;
}

static bool is_dhcp_client(const char *pid, char comm[FILE_ROOM])
{
	static const char *const clients[] = { "dhclient", "dhcpcd", "udhcpc" };
	char path[300];

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	read_file(comm, path);
	comm[strcspn(comm, "\n")] = '\0';
	for (size_t i = 0; i < COUNT_OF(clients); i++)
		if (strcmp(comm, clients[i]) == 0)
			return true;
	return false;
}

static void warn_dhcp(const struct attach_plan *plan)
{
	const struct dirent *entry;
	DIR *folder = opendir("/proc");
	char comm[FILE_ROOM];

	while (folder && (entry = readdir(folder))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    !is_dhcp_client(entry->d_name, comm) ||
		    !has_argument(entry->d_name, plan->nic.name))
			continue;
		fprintf(stderr,
			"lanspan: %s (process %s) renews the address of %s there, not on %s: end "
			"it when this is confirmed, and run it for %s\n",
			comm, entry->d_name, plan->nic.name, plan->bridge, plan->bridge);
	}
	if (folder)
		closedir(folder);
}

void attach_warn_managers(const struct attach_plan *plan)
{
	warn_networkd(plan);
	warn_network_manager(plan);
	warn_ifupdown(plan);
	warn_dhcp(plan);
}
