/* SPDX-License-Identifier: MIT */
/* lanspan attach and detach: what the person sees.  The work is the guardian's. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach.h"
#include "base/bytes.h"
#include "host/proc.h"

#define DEFAULT_SECONDS 10
#define MOST_SECONDS 3600

struct attach_wish {
	const char *nic, *bridge, *confirm, *undo, *forget;
	unsigned seconds;
	bool force, timed;
	bool leaves; /* detach */
};

static bool read_seconds(const char *text, unsigned *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || n < 1 || n > MOST_SECONDS)
		return false;
	*out = (unsigned)n;
	return true;
}

/* An option's value, or a mistake. */
static enum cli_status read_value(const struct cli *cli, int *i, const char **out)
{
	const char *option = cli->argv[*i];

	if (*out)
		return cli_usage(cli, "%s stands there twice", option);
	if (++*i >= cli->argc)
		return cli_usage(cli, "%s: its value is missing", option);
	*out = cli->argv[*i];
	return CLI_DONE;
}

static enum cli_status read_argument(const struct cli *cli, int *i, struct attach_wish *wish)
{
	const char *word = cli->argv[*i], *seconds = NULL;
	enum cli_status status;

	if (strcmp(word, "--bridge") == 0 && !wish->leaves)
		return read_value(cli, i, &wish->bridge);
	if (strcmp(word, "--confirm") == 0)
		return read_value(cli, i, &wish->confirm);
	if (strcmp(word, "--undo") == 0)
		return read_value(cli, i, &wish->undo);
	if (strcmp(word, "--forget") == 0 && wish->leaves)
		return read_value(cli, i, &wish->forget);
	if (strcmp(word, "--confirm-within") == 0) {
		status = read_value(cli, i, &seconds);
		wish->timed = true;
		if (seconds && !read_seconds(seconds, &wish->seconds))
			return cli_usage(cli, "--confirm-within %s: must be 1 to %d seconds",
					 seconds, MOST_SECONDS);
		return status;
	}
	if (strcmp(word, "--force") == 0 && !wish->leaves)
		wish->force = true;
	else if (word[0] == '-')
		return cli_usage(cli, "%s: no such option", word);
	else if (wish->nic)
		return cli_usage(cli, "%s: one NIC at a time", word);
	else
		wish->nic = word;
	return CLI_DONE;
}

static enum cli_status read_wish(const struct cli *cli, struct attach_wish *wish)
{
	enum cli_status status = CLI_DONE;
	int others;

	for (int i = 0; i < cli->argc && status == CLI_DONE; i++)
		status = read_argument(cli, &i, wish);
	if (status != CLI_DONE)
		return status;
	others = !!wish->confirm + !!wish->undo + !!wish->forget;
	if (others > 1 ||
	    (others && (wish->nic || wish->bridge || wish->timed || wish->force)))
		return cli_usage(cli, "%s stand alone",
				 wish->leaves ? "--confirm, --undo and --forget"
					      : "--confirm and --undo");
	if (!others && (!wish->nic || (!wish->bridge && !wish->leaves)))
		return cli_usage(cli, "%s is missing", wish->nic ? "--bridge" : "IFACE");
	return CLI_DONE;
}

/* ---- while the guardian works ------------------------------------------------------------ */

struct talk {
	const struct attach_plan *plan;
	const struct attach_wish *wish;
	int fd, signals;
	bool ask; /* a person is there */
	bool over;
	bool stuck; /* which was told */
	enum cli_status status;
};

static const char *verb_of(const struct talk *talk)
{
	return talk->wish->leaves ? "detach" : "attach";
}

static void tell_moved(struct talk *talk, const char *more)
{
	const char *nic = talk->plan->key, *bridge = talk->plan->bridge;

	if (talk->wish->leaves)
		printf("%s is out of %s now, and has its addresses and routes.\n", nic, bridge);
	else
		printf("%s is in %s now, and its addresses and routes are on %s.\n", nic, bridge,
		       bridge);
	if (more[0])
		printf("%s.\n", more);
	printf("All is taken back in %u s, unless it is confirmed: ", talk->wish->seconds);
	if (talk->ask)
		printf("type y here, or elsewhere\n");
	printf("lanspan %s --confirm %s\n", verb_of(talk), nic);
	fflush(stdout);
}

static void tell_confirmed(struct talk *talk, const char *trouble)
{
	const char *nic = talk->plan->key;

	if (trouble[0])
		cli_error(CLI_DONE, "this cannot be remembered for detach: %s", trouble);
	if (talk->wish->leaves)
		printf("confirmed: %s is out of %s\n", nic, talk->plan->bridge);
	else
		printf("confirmed: %s stays in %s, until lanspan detach %s or a restart of the "
		       "host\n",
		       nic, talk->plan->bridge, nic);
	talk->status = CLI_DONE;
	talk->over = true;
}

static void read_report(struct talk *talk)
{
	struct attach_report r = { 0 };
	ssize_t n = recv(talk->fd, &r, sizeof(r), 0);

	if (n < 0 && errno == EINTR)
		return;
	r.text[sizeof(r.text) - 1] = '\0';
	switch (n == sizeof(r) ? r.word : 0) {
	case ATTACH_MOVED:
		tell_moved(talk, r.text);
		return;
	case ATTACH_FAILED:
		cli_error(CLI_FAILED, "%s", r.text);
		return;
	case ATTACH_CONFIRMED:
		tell_confirmed(talk, r.text);
		return;
	case ATTACH_BACK:
		cli_error(CLI_FAILED, "taken back: %s is %sas it was", talk->plan->key,
			  talk->wish->leaves ? "attached " : "");
		break;
	case ATTACH_STUCK:
		cli_error(CLI_FAILED, "not all could be taken back: %s: lanspan %s --undo %s",
			  r.text, verb_of(talk), talk->plan->key);
		talk->stuck = true;
		break;
	case ATTACH_GONE:
		cli_error(CLI_FAILED, "not all could be taken back: %s", r.text);
		talk->stuck = true;
		break;
	}
	talk->over = true;
}

static void read_answer(struct talk *talk)
{
	char line[80];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line));

	if (n <= 0)
		talk->ask = false; /* he may still confirm elsewhere */
	else if (line[0] == 'y' || line[0] == 'Y')
		send(talk->fd, "y", 1, MSG_NOSIGNAL);
	else if (line[0] == 'n' || line[0] == 'N')
		shutdown(talk->fd, SHUT_WR);
}

static void follow(struct talk *talk)
{
	struct pollfd fds[] = { { .fd = talk->fd, .events = POLLIN },
				{ .fd = talk->signals, .events = POLLIN },
				{ .fd = STDIN_FILENO, .events = POLLIN } };

	while (!talk->over) {
		fds[2].fd = talk->ask ? STDIN_FILENO : -1;
		if (poll(fds, COUNT_OF(fds), -1) < 0)
			continue;
		if (fds[0].revents)
			read_report(talk);
		if (fds[1].revents && proc_signal_read(talk->signals))
			shutdown(talk->fd, SHUT_WR);
		if (fds[2].revents && !talk->over)
			read_answer(talk);
	}
}

/* The guardian's last word was not heard: was it killed? */
static bool left_pending(const char *nic)
{
	struct attach_plan plan = { 0 };
	bool pending = false;

	if (attach_lock_holder() == 0 && attach_state_load(&plan, nic) == 0)
		pending = !plan.attached || plan.leaving;
	attach_plan_free(&plan);
	return pending;
}

static enum cli_status run(struct attach_plan *plan, const struct attach_wish *wish)
{
	struct talk talk = { .plan = plan, .wish = wish, .status = CLI_FAILED };
	static struct attach_places places;
	int error;

	attach_places_find(&places);
	error = wish->leaves ? attach_guard_leave(plan, &places, wish->seconds, &talk.fd)
			     : attach_guard_start(plan, &places, wish->seconds, &talk.fd);
	if (error)
		return cli_error(CLI_FAILED, "cannot begin: %s", strerror(-error));
	talk.signals = proc_signal_fd();
	talk.ask = isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
	follow(&talk);
	close(talk.fd);
	if (talk.status == CLI_FAILED && !talk.stuck && left_pending(plan->key)) {
		cli_error(CLI_FAILED, "the guardian was killed");
		attach_undo(plan->key);
	}
	return talk.status;
}

/* False: that was all, by a word about what was begun before, or by what is not permitted. */
static bool goes_on(const struct cli *cli, const struct attach_wish *wish, enum cli_status *status)
{
	if (*status == CLI_DONE)
		*status = attach_permitted(cli);
	if (*status != CLI_DONE)
		return false;
	if (wish->confirm)
		*status = attach_confirm(wish->confirm);
	else if (wish->undo)
		*status = attach_undo(wish->undo);
	else
		return true;
	return false;
}

enum cli_status verb_attach(const struct cli *cli)
{
	struct attach_wish wish = { .seconds = DEFAULT_SECONDS };
	struct attach_plan plan = { 0 };
	enum cli_status status = read_wish(cli, &wish);
	char text[ATTACH_TEXT];
	struct netlink nl;
	int error;

	if (!goes_on(cli, &wish, &status))
		return status;
	/* Asked again by the guardian, who has the lock. */
	if (!attach_is_free(wish.nic, attach_lock_holder() ? -EBUSY : 0, text))
		return cli_error(CLI_FAILED, "%s", text);
	error = netlink_open(&nl);
	if (error)
		return cli_error(CLI_FAILED, "rtnetlink: %s", strerror(-error));
	status = attach_check(&nl, &plan, wish.nic, wish.bridge, wish.force);
	netlink_close(&nl);
	if (status != CLI_DONE)
		return status;
	attach_warn_managers(&plan);
	return run(&plan, &wish);
}

enum cli_status verb_detach(const struct cli *cli)
{
	struct attach_wish wish = { .seconds = DEFAULT_SECONDS, .leaves = true };
	enum cli_status status = read_wish(cli, &wish);
	struct attach_plan plan = { 0 };
	int error;

	if (!goes_on(cli, &wish, &status))
		return status;
	if (wish.forget)
		return attach_forget(wish.forget);
	error = attach_state_load(&plan, wish.nic);
	if (error)
		return attach_report_state(wish.nic, error);
	if (plan.leaving)
		status = cli_error(CLI_FAILED, "a detach of %s waits: lanspan detach --confirm, or "
				   "--undo, %s", wish.nic, wish.nic);
	else if (plan.attached)
		status = run(&plan, &wish);
	else
		status = cli_error(CLI_FAILED, "%s was never confirmed: lanspan attach --undo %s",
				   wish.nic, wish.nic);
	attach_plan_free(&plan);
	return status;
}
