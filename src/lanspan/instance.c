/* SPDX-License-Identifier: MIT */
/*
 * The daemons that run, by their control sockets: NAME.sock in the folder, or in a
 * folder NAME below it, which belongs to the daemon's own user.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/conf.h"
#include "base/bytes.h"
#include "cli.h"
#include "host/ctlsock.h"

#define SUFFIX ".sock"

static bool own_folder_path(char *out, size_t room, const char *name)
{
	char folder[INSTANCE_PATH];

	return ctlsock_folder(folder, sizeof(folder)) &&
	       (size_t)snprintf(out, room, "%s/%s/%s" SUFFIX, folder, name, name) < room;
}

bool instance_path(char out[INSTANCE_PATH], const char *name)
{
	char own[INSTANCE_PATH];

	if (!ctlsock_path(out, INSTANCE_PATH, name))
		return false;
	if ((access(out, F_OK) == 0 && !ctlsock_stale(out)) ||
	    !own_folder_path(own, sizeof(own), name) || access(own, F_OK) != 0)
		return true;
	memcpy(out, own, sizeof(own));
	return true;
}

/* The name of the instance that an entry of the folder may belong to; else
 * false. */
static bool instance_name(char out[WIRE_NAME + 1], const char *entry)
{
	size_t n = strlen(entry), suffix = strlen(SUFFIX);

	if (n > suffix && strcmp(entry + n - suffix, SUFFIX) == 0)
		n -= suffix;
	if (!conf_instance_valid(entry, n))
		return false;
	memcpy(out, entry, n);
	out[n] = '\0';
	return true;
}

static int may_be_instance(const struct dirent *entry)
{
	char name[WIRE_NAME + 1], path[INSTANCE_PATH];

	return instance_name(name, entry->d_name) && instance_path(path, name) &&
	       access(path, F_OK) == 0;
}

/* Of those that were found, the names of those that live; how many. */
static int living(struct dirent **found, int n, char (*names)[WIRE_NAME + 1])
{
	char path[INSTANCE_PATH], name[WIRE_NAME + 1];
	int kept = 0;

	for (int i = 0; i < n; i++) {
		instance_name(name, found[i]->d_name);
		if (!instance_path(path, name) || (n > 1 && ctlsock_stale(path)))
			continue;
		if (kept && strcmp(names[kept - 1], name) == 0)
			continue; /* a folder, and a socket beside it */
		memcpy(names[kept++], name, sizeof(name));
	}
	return kept;
}

static enum cli_status report_several(char (*names)[WIRE_NAME + 1], int n)
{
	fputs("lanspan: several instances run: must be chosen by -i NAME, one of", stderr);
	for (int i = 0; i < n; i++)
		fprintf(stderr, " %s", names[i]);
	fputc('\n', stderr);
	return CLI_USAGE;
}

static enum cli_status choose(char out[WIRE_NAME + 1], struct dirent **found, int n,
			      const char *folder)
{
	char(*names)[WIRE_NAME + 1] = calloc((size_t)n + 1, sizeof(*names));
	enum cli_status status = CLI_DONE;
	int running;

	if (!names)
		return cli_error(CLI_FAILED, "memory is short");
	running = living(found, n, names);
	if (running == 0)
		status = cli_error(CLI_FAILED, "no bridge process or relay runs: no %ssocket in %s",
				   n > 0 ? "live " : "", folder);
	else if (running > 1)
		status = report_several(names, running);
	else
		memcpy(out, names[0], sizeof(names[0]));
	free(names);
	return status;
}

enum cli_status instance_only(char out[WIRE_NAME + 1])
{
	struct dirent **found = NULL;
	char folder[INSTANCE_PATH];
	enum cli_status status;
	int n;

	if (!ctlsock_folder(folder, sizeof(folder)))
		return cli_error(CLI_FAILED,
				 "the folder of the control sockets has too long a name");
	n = scandir(folder, &found, may_be_instance, alphasort);
	if (n < 0 && errno != ENOENT)
		return cli_error(CLI_FAILED, "%s: %s", folder, strerror(errno));
	status = choose(out, found, MAX(n, 0), folder);
	for (int i = 0; i < n; i++)
		free(found[i]);
	free(found);
	return status;
}

int instance_list(char (**names)[WIRE_NAME + 1])
{
	struct dirent **found = NULL;
	char folder[INSTANCE_PATH];
	int n = -1, running = 0;

	if (ctlsock_folder(folder, sizeof(folder)))
		n = scandir(folder, &found, may_be_instance, alphasort);
	*names = n > 0 ? calloc((size_t)n, sizeof(**names)) : NULL;
	if (*names)
		running = living(found, n, *names);
	for (int i = 0; i < n; i++)
		free(found[i]);
	free(found);
	return running;
}
