/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * What a lab began stands in its folder's state.json before or as soon as it has begun, so
 * that "lab down" finds it also when "lab up" was killed.  A guest is known by its process
 * id and the moment that process began, as the kernel counts it: another process that got
 * the number later is nobody's guest.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/conf.h"
#include "host/ctlsock.h"
#include "lab.h"

#define STATE "state.json"

static bool labs_folder(char out[INSTANCE_PATH])
{
	char folder[INSTANCE_PATH];

	return ctlsock_folder(folder, sizeof(folder)) &&
	       snprintf(out, INSTANCE_PATH, "%s/labs", folder) < INSTANCE_PATH;
}

/* FOLDER/NAME */
static bool in_folder(char out[INSTANCE_PATH], const char *folder, const char *name)
{
	return snprintf(out, INSTANCE_PATH, "%s/%s", folder, name) < INSTANCE_PATH;
}

static enum cli_status read_state(struct lab *lab)
{
	char path[INSTANCE_PATH];
	json_error_t error;

	if (!in_folder(path, lab->folder, STATE))
		return cli_error(CLI_USAGE, "%s: the path is too long", lab->folder);
	lab->state = json_load_file(path, 0, &error);
	if (lab->state || access(path, F_OK) == 0) {
		if (json_is_object(json_object_get(lab->state, "guests")) &&
		    json_is_object(json_object_get(lab->state, "ports")))
			return CLI_DONE;
		return cli_error(CLI_FAILED,
				 "%s: makes no sense: end what runs by hand, and remove it", path);
	}
	lab->state = json_pack("{s{}s{}}", "guests", "ports");
	return lab->state ? CLI_DONE : cli_error(CLI_FAILED, "memory is short");
}

enum cli_status lab_open(struct lab *lab, const char *name)
{
	char folder[INSTANCE_PATH], path[INSTANCE_PATH];

	memset(lab, 0, sizeof(*lab));
	snprintf(lab->name, sizeof(lab->name), "%s", name);
	if (!labs_folder(folder) || !in_folder(path, folder, name) || strlen(path) >= LAB_FOLDER)
		return cli_error(CLI_USAGE, "the folder of the labs has too long a name");
	memcpy(lab->folder, path, strlen(path) + 1);
	return read_state(lab);
}

void lab_close(struct lab *lab)
{
	json_decref(lab->state);
	lab->state = NULL;
}

bool lab_is_empty(const struct lab *lab)
{
	return json_object_size(json_object_get(lab->state, "guests")) == 0 &&
	       json_object_size(json_object_get(lab->state, "ports")) == 0;
}

static bool make_folders(const struct lab *lab)
{
	char path[INSTANCE_PATH];

	if (!ctlsock_folder(path, sizeof(path)) || (mkdir(path, 0755) < 0 && errno != EEXIST))
		return false;
	if (!labs_folder(path) || (mkdir(path, 0700) < 0 && errno != EEXIST))
		return false;
	return mkdir(lab->folder, 0700) == 0 || errno == EEXIST;
}

enum cli_status lab_save(const struct lab *lab)
{
	char path[INSTANCE_PATH], fresh[INSTANCE_PATH];

	if (!make_folders(lab))
		return cli_error(CLI_FAILED, "%s: %s", lab->folder, strerror(errno));
	if (!in_folder(path, lab->folder, STATE) || !in_folder(fresh, lab->folder, STATE ".new"))
		return cli_error(CLI_USAGE, "%s: the path is too long", lab->folder);
	if (json_dump_file(lab->state, fresh, JSON_INDENT(2)) < 0 || rename(fresh, path) < 0)
		return cli_error(CLI_FAILED, "%s: cannot be written: %s", path, strerror(errno));
	return CLI_DONE;
}

static int no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

enum cli_status lab_remove(const struct lab *lab)
{
	struct dirent **found = NULL;
	char path[INSTANCE_PATH];
	int n = scandir(lab->folder, &found, no_dots, alphasort);

	for (int i = 0; i < n; i++) {
		if (in_folder(path, lab->folder, found[i]->d_name))
			unlink(path);
		free(found[i]);
	}
	free(found);
	if (rmdir(lab->folder) < 0 && errno != ENOENT)
		return cli_error(CLI_FAILED, "%s: %s", lab->folder, strerror(errno));
	if (labs_folder(path))
		rmdir(path); /* unless there are others */
	return CLI_DONE;
}

static int is_lab(const struct dirent *entry)
{
	return conf_instance_valid(entry->d_name, strlen(entry->d_name));
}

enum cli_status lab_only(char out[WIRE_NAME + 1])
{
	struct dirent **found = NULL;
	enum cli_status status = CLI_DONE;
	char folder[INSTANCE_PATH];
	int n;

	if (!labs_folder(folder))
		return cli_error(CLI_USAGE, "the folder of the labs has too long a name");
	n = scandir(folder, &found, is_lab, alphasort);
	if (n == 1)
		snprintf(out, WIRE_NAME + 1, "%.*s", WIRE_NAME, found[0]->d_name);
	else if (n <= 0)
		status = cli_error(CLI_FAILED, "no lab is up: nothing in %s", folder);
	else
		status = cli_error(CLI_USAGE, "several labs are up: must be chosen, %s or another",
				   found[0]->d_name);
	for (int i = 0; i < n; i++)
		free(found[i]);
	free(found);
	return status;
}

/* Of the text of proc_pid_stat(5): the moment, or -1 when the process has ended. */
static long long parse_start(const char *text)
{
	const char *word = strrchr(text, ')'); /* the name, in brackets, may hold anything */

	if (!word || !word[1] || strchr("ZX", word[2]))
		return -1;
	for (int field = 2; word && field < 22; field++)
		word = strchr(word + 1, ' ');
	return word ? strtoll(word, NULL, 10) : -1;
}

/* When the process began, in the kernel's ticks; -1: there is none, or it has ended. */
static long long start_of(pid_t pid)
{
	char path[64], text[1024];
	long long start = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fgets(text, sizeof(text), f))
		start = parse_start(text);
	fclose(f);
	return start;
}

void lab_note_guest(struct lab *lab, const char *guest, pid_t pid)
{
	json_object_set_new(
		json_object_get(lab->state, "guests"), guest,
		json_pack("{sIsI}", "pid", (json_int_t)pid, "start", (json_int_t)start_of(pid)));
}

void lab_note_port(struct lab *lab, const char *port, const char *instance)
{
	json_object_set_new(json_object_get(lab->state, "ports"), port, json_string(instance));
}

pid_t lab_guest_pid(const struct lab *lab, const char *guest)
{
	const json_t *note = json_object_get(json_object_get(lab->state, "guests"), guest);
	json_int_t pid = json_integer_value(json_object_get(note, "pid"));
	json_int_t start = json_integer_value(json_object_get(note, "start"));

	return pid > 1 && start > 0 && start_of((pid_t)pid) == start ? (pid_t)pid : 0;
}
