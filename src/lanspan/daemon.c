/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	char path[INSTANCE_PATH];
	char *answer = NULL;
	int error;

	if (!instance_path(path, instance)) {
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
		*status = instance_only(only), instance = only;
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
