/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/conf.h"
#include "base/bytes.h"
#include "cli.h"
#include "host/ctlsock.h"

#define PATIENCE 10 /* seconds without progress */
#define PATH_ROOM 512
#define SUFFIX ".sock"

static int is_socket_name(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > strlen(SUFFIX) && entry->d_name[0] != '.' &&
	       strcmp(entry->d_name + n - strlen(SUFFIX), SUFFIX) == 0;
}

static int name_len(const struct dirent *entry)
{
	return (int)(strlen(entry->d_name) - strlen(SUFFIX));
}

static enum cli_status report_several(struct dirent **found, int n)
{
	char *safe;

	fputs("lanspan: several bridge processes run: must be chosen by -i NAME, one of", stderr);
	for (int i = 0; i < n; i++) {
		safe = text_safe(found[i]->d_name);
		fprintf(stderr, " %.*s", (int)(strlen(safe) - strlen(SUFFIX)), safe);
		free(safe);
	}
	fputc('\n', stderr);
	return CLI_USAGE;
}

/* Takes out the sockets that killed processes left behind; how many remain. */
static int drop_stale(const char *folder, struct dirent **found, int n)
{
	char path[2 * PATH_ROOM];
	int kept = 0;

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, found[i]->d_name);
		if (ctlsock_stale(path))
			free(found[i]);
		else
			found[kept++] = found[i];
	}
	return kept;
}

/* Finds the only instance that runs into out; what went wrong is printed. */
static enum cli_status find_only(char *out, size_t room)
{
	enum cli_status status = CLI_DONE;
	struct dirent **found = NULL;
	char folder[PATH_ROOM];
	int n, running;

	if (!ctlsock_folder(folder, sizeof(folder)))
		return cli_error(CLI_FAILED,
				 "the folder of the control sockets has too long a name");
	n = scandir(folder, &found, is_socket_name, alphasort);
	running = n > 1 ? drop_stale(folder, found, n) : MAX(n, 0);
	if (n < 0 && errno != ENOENT)
		status = cli_error(CLI_FAILED, "%s: %s", folder, strerror(errno));
	else if (running == 0)
		status = cli_error(CLI_FAILED, "no bridge process runs: no %ssocket in %s",
				   n > 0 ? "live " : "", folder);
	else if (running > 1)
		status = report_several(found, running);
	else
		snprintf(out, room, "%.*s", name_len(found[0]), found[0]->d_name);
	for (int i = 0; i < running; i++)
		free(found[i]);
	free(found);
	return status;
}

static enum cli_status report_no_answer(const char *instance, const char *path, int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return cli_error(CLI_FAILED, "the bridge process %s does not run: nobody at %s",
				 instance, path);
	case EACCES:
	case EPERM:
		return cli_error(CLI_FAILED,
				 "%s: no permission: must be run as root or as the user "
				 "of the bridge process",
				 path);
	default:
		return cli_error(CLI_FAILED, "%s: no answer: %s", path, strerror(error));
	}
}

/* A no of the daemon: "error", or "errors" with whole lines. */
static enum cli_status report_refusal(const json_t *answer)
{
	const json_t *lines = json_object_get(answer, "errors"), *line;
	char *safe;
	size_t i;

	json_array_foreach((json_t *)lines, i, line)
	{
		safe = text_safe(json_is_string(line) ? json_string_value(line) : "?");
		fprintf(stderr, "%s\n", safe);
		free(safe);
	}
	if (json_array_size(lines) == 0) {
		safe = text_member(answer, "error");
		cli_error(CLI_FAILED, "%s", strcmp(safe, "-") ? safe : "refused without a reason");
		free(safe);
	}
	return json_integer_value(json_object_get(answer, "status")) == CLI_USAGE ? CLI_USAGE
										  : CLI_FAILED;
}

static char *ask(const char *instance, const char *request, size_t *len, enum cli_status *status)
{
	char path[PATH_ROOM];
	char *answer = NULL;
	int error;

	if (!ctlsock_path(path, sizeof(path), instance)) {
		*status = cli_error(CLI_USAGE, "%s: too long for the name of a socket", instance);
		return NULL;
	}
	error = ctlsock_ask(path, request, PATIENCE, &answer, len);
	if (error) {
		*status = report_no_answer(instance, path, -error);
		return NULL;
	}
	return answer;
}

json_t *daemon_ask(const struct cli *cli, json_t *request, enum cli_status *status)
{
	char *line = request ? json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	const char *instance = cli->instance;
	char *text = NULL, only[WIRE_NAME + 1];
	json_t *answer;
	size_t len;

	json_decref(request);
	*status = CLI_DONE;
	if (!line)
		*status = cli_usage(cli, "the argument is not text (UTF-8)");
	else if (!instance)
		*status = find_only(only, sizeof(only)), instance = only;
	if (*status == CLI_DONE)
		text = ask(instance, line, &len, status);
	free(line);
	if (!text)
		return NULL;
	answer = json_loadb(text, len, 0, NULL);
	free(text);
	if (json_is_true(json_object_get(answer, "ok")))
		return answer;
	if (json_is_object(answer))
		*status = report_refusal(answer);
	else
		*status = cli_error(CLI_FAILED, "the answer of %s makes no sense: another version?",
				    instance);
	json_decref(answer);
	return NULL;
}

enum cli_status verb_reload(const struct cli *cli)
{
	enum cli_status status;

	json_decref(daemon_ask(cli, json_pack("{ss}", "verb", "reload"), &status));
	return status;
}

enum cli_status verb_peer(const struct cli *cli)
{
	enum cli_status status;

	json_decref(daemon_ask(
		cli, json_pack("{ssss}", "verb", cli->verb->name, "peer", cli->argv[0]), &status));
	return status;
}
