/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/conf.h"
#include "base/bytes.h"
#include "cli.h"
#include "host/ctlsock.h"

#define PATIENCE 10 /* seconds without progress */

static enum cli_status report_no_answer(const char *instance, const char *path, int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return cli_error(CLI_FAILED, "%s does not run: nobody at %s", instance, path);
	case EACCES:
	case EPERM:
		return cli_error(CLI_FAILED,
				 "%s: no permission: must be run as root or as the user "
				 "of that process",
				 path);
	default:
		return cli_error(CLI_FAILED, "%s: no answer: %s", path, strerror(error));
	}
}

/* A no of the daemon: "error", or "errors" with whole lines. */
static enum cli_status report_refusal(const struct cli *cli, const json_t *answer)
{
	bool of_file = strcmp(cli->verb->name, "reload") == 0; /* they begin with its name */
	const json_t *lines = json_object_get(answer, "errors"), *line;
	char *safe;
	size_t i;

	json_array_foreach((json_t *)lines, i, line)
	{
		safe = text_safe(json_is_string(line) ? json_string_value(line) : "?");
		fprintf(stderr, "%s%s\n", of_file ? "" : "lanspan: ", safe);
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

static bool socket_path(char path[INSTANCE_PATH], const char *instance, enum cli_status *status)
{
	if (instance_path(path, instance))
		return true;
	*status = cli_error(CLI_USAGE, "%s: too long for the name of a socket", instance);
	return false;
}

static char *ask(const char *instance, const char *request, size_t *len, enum cli_status *status)
{
	char path[INSTANCE_PATH];
	char *answer = NULL;
	int error;

	if (!socket_path(path, instance, status))
		return NULL;
	error = ctlsock_ask(path, request, PATIENCE, &answer, len);
	if (error) {
		*status = report_no_answer(instance, path, -error);
		return NULL;
	}
	return answer;
}

/* Answers that go on begin with a line of less than that. */
#define LINE 4096

/* Up to the first newline or the end; malloc'd. */
static char *read_line(int fd, size_t *len)
{
	char *text = malloc(LINE);

	*len = 0;
	while (text && *len < LINE && recv(fd, text + *len, 1, 0) == 1 && text[*len] != '\n')
		++*len;
	return text;
}

static char *ask_open(const char *instance, const char *request, int *fd, size_t *len,
		      enum cli_status *status)
{
	char path[INSTANCE_PATH];

	if (!socket_path(path, instance, status))
		return NULL;
	*fd = ctlsock_ask_open(path, request, PATIENCE);
	if (*fd == -EINVAL)
		*status = cli_error(CLI_USAGE, "the request is too long");
	else if (*fd < 0)
		*status = report_no_answer(instance, path, -*fd);
	return *fd < 0 ? NULL : read_line(*fd, len);
}

/* The answer if it is a yes; otherwise NULL, and what is wrong was printed. */
static json_t *read_answer(const struct cli *cli, const char *instance, const char *text,
			   size_t len, enum cli_status *status)
{
	json_t *answer = json_loadb(text, len, 0, NULL);

	if (json_is_true(json_object_get(answer, "ok")))
		return answer;
	if (json_is_object(answer))
		*status = report_refusal(cli, answer);
	else
		*status = cli_error(CLI_FAILED, "the answer of %s makes no sense: another version?",
				    instance);
	json_decref(answer);
	return NULL;
}

/* The request, whose reference it takes, as text, and who is to be asked. */
static char *request_text(const struct cli *cli, json_t *request, char instance[WIRE_NAME + 1],
			  enum cli_status *status)
{
	char *line = request ? json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	json_decref(request);
	*status = CLI_DONE;
	if (!line)
		*status = cli_usage(cli, "the argument is not text (UTF-8)");
	else if (!cli->instance)
		*status = instance_only(instance);
	else
		snprintf(instance, WIRE_NAME + 1, "%s", cli->instance);
	if (*status == CLI_DONE)
		return line;
	free(line);
	return NULL;
}

json_t *daemon_ask(const struct cli *cli, json_t *request, enum cli_status *status)
{
	char instance[WIRE_NAME + 1];
	char *line = request_text(cli, request, instance, status);
	char *text = NULL;
	json_t *answer;
	size_t len;

	if (line)
		text = ask(instance, line, &len, status);
	free(line);
	if (!text)
		return NULL;
	answer = read_answer(cli, instance, text, len, status);
	free(text);
	return answer;
}

json_t *daemon_open(const struct cli *cli, json_t *request, char instance[WIRE_NAME + 1], int *fd,
		    enum cli_status *status)
{
	char *line = request_text(cli, request, instance, status);
	char *text = NULL;
	json_t *answer;
	size_t len;

	if (line)
		text = ask_open(instance, line, fd, &len, status);
	free(line);
	if (!text)
		return NULL;
	answer = read_answer(cli, instance, text, len, status);
	free(text);
	if (!answer)
		close(*fd);
	return answer;
}

bool daemon_answers(const struct cli *cli)
{
	char path[INSTANCE_PATH];
	char *answer = NULL;
	size_t len;

	if (instance_path(path, cli->instance))
		ctlsock_ask(path, "{\"verb\":\"show\",\"what\":\"captures\"}", PATIENCE, &answer,
			    &len);
	free(answer);
	return answer;
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
