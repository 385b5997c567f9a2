/* SPDX-License-Identifier: MIT */
/* What is said and done from another shell, or later: --confirm, --undo. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attach.h"
#include "host/proc.h"

#define PATIENCE_MS 15000
#define PAUSE_MS 20

enum cli_status attach_report_state(const char *nic, int error)
{
	if (error == -ENOENT)
		return cli_error(CLI_FAILED, "%s is not attached, nor is it being attached", nic);
	if (error == -EBADMSG)
		return cli_error(CLI_FAILED,
				 "attach-%s.state makes no sense, of another version?: lanspan "
				 "detach --forget %s",
				 nic, nic);
	if (error == -EXDEV)
		return cli_error(CLI_FAILED, ATTACH_ELSEWHERE, nic, nic);
	return cli_error(CLI_FAILED, "what is known of %s cannot be read: %s", nic,
			 strerror(-error));
}

/* Until that process has let go of the lock. */
static bool wait_for(pid_t guardian)
{
	struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };

	for (int ms = 0; ms < PATIENCE_MS; ms += PAUSE_MS) {
		if (attach_lock_holder() != guardian)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* What became of it; leaving: of a detach. */
static enum cli_status report_end(const char *nic, bool leaving, bool wanted)
{
	struct attach_plan plan = { 0 };
	int error = attach_state_load(&plan, nic);
	bool pending = !error && (!plan.attached || plan.leaving), attached = !error && !pending;

	attach_plan_free(&plan);
	if (error && error != -ENOENT)
		return attach_report_state(nic, error);
	if (pending)
		return cli_error(CLI_FAILED, "not all could be taken back: lanspan %s --undo %s",
				 leaving ? "detach" : "attach", nic);
	if (attached && leaving)
		printf("taken back: %s is in %s as it was\n", nic, plan.bridge);
	else if (attached)
		printf("confirmed: %s stays in %s, until lanspan detach %s or a restart of the "
		       "host\n",
		       nic, plan.bridge, nic);
	else if (leaving)
		printf("confirmed: %s is out of its bridge\n", nic);
	else
		printf("taken back: %s is as it was\n", nic);
	return (attached != leaving) == wanted ? CLI_DONE : CLI_FAILED;
}

static enum cli_status speak(const struct attach_plan *plan, int signal)
{
	const char *nic = plan->key;
	pid_t guardian = plan->guardian;

	if (kill(guardian, signal) < 0)
		return cli_error(CLI_FAILED, "the guardian of %s, process %d: %s", nic,
				 (int)guardian, strerror(errno));
	if (!wait_for(guardian))
		return cli_error(CLI_FAILED, "the guardian of %s, process %d, does not answer", nic,
				 (int)guardian);
	return report_end(nic, plan->leaving, signal == SIGUSR1);
}

/* The process that guards it, or 0. */
static pid_t guardian_of(const struct attach_plan *plan)
{
	pid_t holder = attach_lock_holder();

	return holder == plan->guardian ? holder : 0;
}

enum cli_status attach_permitted(const struct cli *cli)
{
	return geteuid() == 0 ? CLI_DONE
			      : cli_error(CLI_FAILED, "%s: must be run as root", cli->verb->name);
}

enum cli_status attach_confirm(const char *nic)
{
	struct attach_plan plan = { 0 };
	int error = attach_state_load(&plan, nic);
	enum cli_status status;

	if (error)
		return attach_report_state(nic, error);
	if (plan.attached && !plan.leaving)
		status = report_end(nic, false, true);
	else if (!guardian_of(&plan))
		status = cli_error(CLI_FAILED,
				   "the guardian of %s was killed: lanspan %s --undo %s", nic,
				   plan.leaving ? "detach" : "attach", nic);
	else
		status = speak(&plan, SIGUSR1);
	attach_plan_free(&plan);
	return status;
}

/* ---- without a guardian ------------------------------------------------------------------ */

static enum cli_status give_back(struct attach_plan *plan)
{
	const char *nic = plan->key;
	bool leaving = plan->leaving;
	struct netlink nl;
	int error = netlink_open(&nl);

	if (error)
		return cli_error(CLI_FAILED, "rtnetlink: %s", strerror(-error));
	error = leaving ? attach_return(&nl, plan) : attach_back(&nl, plan);
	netlink_close(&nl);
	if (!error && leaving)
		error = attach_state_save(plan);
	if (error)
		return cli_error(CLI_FAILED, "not all could be taken back: %s", plan->trouble);
	if (!leaving)
		attach_state_remove(nic);
	printf("taken back: %s is %sas it was\n", nic, leaving ? "attached " : "");
	return CLI_DONE;
}

static enum cli_status refuse(const struct attach_plan *plan)
{
	const char *nic = plan->key;

	return cli_error(CLI_FAILED, "%s was confirmed: lanspan detach %s", nic, nic);
}

static enum cli_status refuse_lock(int error)
{
	return cli_error(CLI_FAILED, "%s",
			 error == -EBUSY ? "an attach is under way: it must be confirmed or taken "
					   "back first"
					 : strerror(-error));
}

/* Alone, and not to be interrupted: the terminal may go away meanwhile.  What is known of it
 * is read now: what was read before, another may have taken back. */
static enum cli_status give_back_alone(const char *nic)
{
	struct attach_plan plan = { 0 };
	enum cli_status status;
	int lock = attach_lock(), error;

	if (lock < 0)
		return refuse_lock(lock);
	proc_signal_fd();
	error = attach_state_load(&plan, nic);
	if (error)
		status = attach_report_state(nic, error);
	else if (plan.attached && !plan.leaving)
		status = refuse(&plan);
	else
		status = give_back(&plan);
	attach_plan_free(&plan);
	close(lock);
	return status;
}

enum cli_status attach_undo(const char *nic)
{
	struct attach_plan plan = { 0 };
	int error = attach_state_load(&plan, nic);
	enum cli_status status;

	if (error)
		return attach_report_state(nic, error);
	if (plan.attached && !plan.leaving)
		status = refuse(&plan);
	else if (guardian_of(&plan))
		status = speak(&plan, SIGTERM);
	else
		status = give_back_alone(nic);
	attach_plan_free(&plan);
	return status;
}

/* ---- of a NIC that is gone ---------------------------------------------------------------- */

static enum cli_status refuse_present(const struct attach_plan *plan)
{
	bool renamed = strcmp(plan->key, plan->nic.name) != 0;

	return cli_error(CLI_FAILED, "%s is there%s%s: lanspan %s%s %s", plan->key,
			 renamed ? ", as " : "", renamed ? plan->nic.name : "",
			 plan->attached ? "detach" : "attach",
			 plan->attached && !plan->leaving ? "" : " --undo", plan->key);
}

static enum cli_status forget_plan(struct attach_plan *plan)
{
	struct netlink nl;
	int error = netlink_open(&nl);
	bool there;

	if (error)
		return cli_error(CLI_FAILED, "rtnetlink: %s", strerror(-error));
	there = attach_nic_is_there(&nl, plan);
	netlink_close(&nl);
	if (there)
		return refuse_present(plan);
	attach_state_remove(plan->key);
	printf("forgotten: %s is gone, and %s keeps its addresses and routes\n", plan->key,
	       plan->bridge);
	return CLI_DONE;
}

/* One that makes no sense is of no more use. */
static enum cli_status forget(const char *nic)
{
	struct attach_plan plan = { 0 };
	int error = attach_state_load(&plan, nic);
	enum cli_status status;

	if (error == -EBADMSG) {
		attach_state_remove(nic);
		printf("forgotten: what was known of %s made no sense\n", nic);
		return CLI_DONE;
	}
	if (error == -EXDEV) {
		attach_state_remove(nic);
		printf("forgotten: %s was attached in another network namespace\n", nic);
		return CLI_DONE;
	}
	if (error)
		return attach_report_state(nic, error);
	status = forget_plan(&plan);
	attach_plan_free(&plan);
	return status;
}

enum cli_status attach_forget(const char *nic)
{
	int lock = attach_lock();
	enum cli_status status;

	if (lock < 0)
		return refuse_lock(lock);
	status = forget(nic);
	close(lock);
	return status;
}
