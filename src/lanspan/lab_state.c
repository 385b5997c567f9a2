/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * What a lab begins stands in its folder's state.json before it begins, so that "lab down"
 * finds it also when "lab up" was killed.
 *
 * A command that changes a lab locks the file .NAME.lock beside the folder, and reads the
 * state under it.  The file goes with the lab, by the command that holds it: who waited for
 * it may get a lock of a file that has no name any more, and tries again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/conf.h"
#include "host/ctlsock.h"
#include "lab.h"

#define STATE "state.json"
#define LOCK_TRIES 50 /* tenths of a second */

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
	lab->kept = lab->state || access(path, F_OK) == 0;
	if (lab->kept) {
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

	*lab = (struct lab){ .lock = -1 };
	snprintf(lab->name, sizeof(lab->name), "%s", name);
	if (!labs_folder(folder) || !in_folder(path, folder, name) || strlen(path) >= LAB_FOLDER)
		return cli_error(CLI_USAGE, "the folder of the labs has too long a name");
	memcpy(lab->folder, path, strlen(path) + 1);
	return read_state(lab);
}

static enum cli_status make_labs(const char *folder)
{
	char above[INSTANCE_PATH];
	int error =
		ctlsock_folder(above, sizeof(above)) ? ctlsock_folder_make(above) : -ENAMETOOLONG;

	if (!error && mkdir(folder, 0700) < 0 && errno != EEXIST)
		error = -errno;
	return error ? cli_error(CLI_FAILED, "%s: %s", folder, strerror(-error)) : CLI_DONE;
}

static bool lock_path(char out[INSTANCE_PATH], const struct lab *lab)
{
	char folder[INSTANCE_PATH];

	return labs_folder(folder) &&
	       snprintf(out, INSTANCE_PATH, "%s/.%s.lock", folder, lab->name) < INSTANCE_PATH;
}

static bool is_named(int fd, const char *path)
{
	struct stat held, there;

	return fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_dev == there.st_dev &&
	       held.st_ino == there.st_ino;
}

/* The descriptor that holds the lock, or -errno; -EAGAIN: try again. */
static int take_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), error;

	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno; /* the folder went just now */
	error = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	if (!error && is_named(fd, path))
		return fd;
	close(fd);
	return error ? error : -EAGAIN;
}

enum cli_status lab_lock(struct lab *lab)
{
	static const struct timespec tenth = { .tv_nsec = 100000000 };
	char folder[INSTANCE_PATH], path[INSTANCE_PATH];
	enum cli_status status = CLI_DONE;

	if (!labs_folder(folder) || !lock_path(path, lab))
		return cli_error(CLI_USAGE, "the folder of the labs has too long a name");
	for (int i = 0; i < LOCK_TRIES; i++) {
		status = make_labs(folder);
		if (status != CLI_DONE)
			return status;
		lab->lock = take_lock(path);
		if (lab->lock != -EAGAIN)
			break;
		nanosleep(&tenth, NULL);
	}
	if (lab->lock == -EAGAIN)
		return cli_error(CLI_FAILED,
				 "another command is at lab %s: wait until it has ended",
				 lab->name);
	if (lab->lock < 0)
		return cli_error(CLI_FAILED, "%s: %s", path, strerror(-lab->lock));
	json_decref(lab->state);
	return read_state(lab);
}

static void unlock(struct lab *lab)
{
	char path[INSTANCE_PATH];

	if (access(lab->folder, F_OK) < 0 && lock_path(path, lab))
		unlink(path);
	if (labs_folder(path))
		rmdir(path); /* unless there are others */
	close(lab->lock);
	lab->lock = -1;
}

void lab_close(struct lab *lab)
{
	if (lab->lock >= 0)
		unlock(lab);
	json_decref(lab->state);
	lab->state = NULL;
}

bool lab_is_empty(const struct lab *lab)
{
	return json_object_size(json_object_get(lab->state, "guests")) == 0 &&
	       json_object_size(json_object_get(lab->state, "ports")) == 0;
}

enum cli_status lab_save(const struct lab *lab)
{
	char path[INSTANCE_PATH], fresh[INSTANCE_PATH];

	if (mkdir(lab->folder, 0700) < 0 && errno != EEXIST)
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

void lab_note_port(struct lab *lab, const char *port, const char *instance)
{
	json_object_set_new(json_object_get(lab->state, "ports"), port, json_string(instance));
}
