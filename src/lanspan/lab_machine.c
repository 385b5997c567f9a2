/* SPDX-License-Identifier: MIT */
/* Guests of a lab: machines of QEMU. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/log.h"
#include "lab.h"

#define QEMU "qemu-system-x86_64"
#define PATIENCE 50 /* tenths of a second: a start to end, or SIGTERM to SIGKILL */

static const struct timespec tenth = { .tv_nsec = 100000000 };

/* --- commands --- */

static void add(struct lab_command *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct lab_command *c, const char *fmt, ...)
{
	char **grown = reallocarray(c->argv, c->n + 2, sizeof(*grown));
	va_list ap;

	if (!grown)
		log_die(CLI_FAILED, "memory is short");
	c->argv = grown;
	va_start(ap, fmt);
	if (vasprintf(&c->argv[c->n], fmt, ap) < 0)
		log_die(CLI_FAILED, "memory is short");
	va_end(ap);
	c->argv[++c->n] = NULL;
}

void lab_command_free(struct lab_command *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->argv[i]);
	free(c->argv);
	c->argv = NULL;
	c->n = 0;
}

static void print_word(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./:,=@+-";

	if (*word && strspn(word, plain) == strlen(word)) {
		fputs(word, stdout);
		return;
	}
	putchar('\'');
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*word);
	}
	putchar('\'');
}

void lab_command_print(const struct lab_command *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (i > 0)
			putchar(' ');
		print_word(c->argv[i]);
	}
	putchar('\n');
}

/* --- the machine --- */

/* A path as QEMU's options have it: a comma ends a value, two are one. */
static const char *escaped(char out[CONF_PATH * 2], const char *path)
{
	char *p = out;

	for (; *path; path++) {
		if (*path == ',')
			*p++ = ',';
		*p++ = *path;
	}
	*p = '\0';
	return out;
}

static void add_boot(struct lab_command *c, const struct lab_guest *guest)
{
	const struct lab_machine *m = &guest->machine;
	char path[CONF_PATH * 2];

	if (m->kernel[0]) {
		add(c, "-kernel");
		add(c, "%s", m->kernel);
		add(c, "-append");
		add(c, "console=ttyS0 quiet panic=-1 guest=%s%s%s", guest->name,
		    m->append[0] ? " " : "", m->append);
	}
	if (m->initrd[0]) {
		add(c, "-initrd");
		add(c, "%s", m->initrd);
	}
	if (m->disk[0]) {
		add(c, "-drive");
		add(c, "file=%s,if=virtio,snapshot=%s", escaped(path, m->disk),
		    m->snapshot ? "on" : "off");
	}
}

/* 32 hexadecimal digits, machine-id(5); "" where there is none yet. */
static void machine_id(char out[33])
{
	FILE *f = fopen("/etc/machine-id", "re");

	if (!f || !fgets(out, 33, f) || strspn(out, "0123456789abcdef") != 32)
		out[0] = '\0';
	if (f)
		fclose(f);
}

/* Of QEMU's own prefix; the same each time for this user of this machine, another for others
 * and on others.  No more than 24 bits of the machine's id get out with it. */
static void mac_of(char out[18], const struct lab *lab, const char *guest, unsigned nic)
{
	char text[512] = "", id[33] = "";
	uint64_t hash;

	machine_id(id);
	gethostname(text, 64);
	snprintf(text + strlen(text), 400, "/%s/%u/%s/%s/%u", id, (unsigned)geteuid(), lab->name,
		 guest, nic);
	hash = hash_bytes(text, strlen(text), 0);
	snprintf(out, 18, "52:54:00:%02x:%02x:%02x", (unsigned)(hash & 255),
		 (unsigned)(hash >> 8 & 255), (unsigned)(hash >> 16 & 255));
}

/* A cable in a switch: it is always up, and datagrams outlive either side. */
static void add_dgram(struct lab_command *c, const struct lab *lab, const char *guest, unsigned nic)
{
	char vm[CONF_PATH * 2], span[CONF_PATH * 2], path[INSTANCE_PATH];

	lab_socket_path(path, lab, guest, nic, "vm");
	escaped(vm, path);
	lab_socket_path(path, lab, guest, nic, "span");
	escaped(span, path);
	add(c, "-netdev");
	add(c, "dgram,id=n%u,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s", nic,
	    vm, span);
}

/* A wire: the connection says whether the guest is there, and a monitor is told whether the
 * other end is. */
static void add_stream(struct lab_command *c, const struct lab *lab, const char *guest,
		       unsigned nic)
{
	char socket[CONF_PATH * 2], path[INSTANCE_PATH];

	lab_socket_path(path, lab, guest, nic, "vm");
	add(c, "-netdev");
	add(c, "stream,id=n%u,server=on,addr.type=unix,addr.path=%s", nic, escaped(socket, path));
	lab_socket_path(path, lab, guest, nic, "link");
	add(c, "-qmp");
	add(c, "unix:%s,server=on,wait=off", escaped(socket, path));
}

static void add_card(struct lab_command *c, const struct lab *lab, const struct lab_conf *conf,
		     const struct lab_guest *guest, unsigned nic)
{
	static const char *const models[] = {
		[LAB_VIRTIO] = "virtio-net-pci", [LAB_E1000] = "e1000", [LAB_RTL8139] = "rtl8139"
	};
	char mac[18];

	mac_of(mac, lab, guest->name, nic);
	if (lab_conf_network(conf, guest->networks[nic])->wire)
		add_stream(c, lab, guest->name, nic);
	else
		add_dgram(c, lab, guest->name, nic);
	add(c, "-device");
	add(c, "%s,netdev=n%u,mac=%s", models[guest->machine.card], nic, mac);
}

static const char *accelerator(const struct lab_machine *m)
{
	bool kvm = m->accel == LAB_KVM ||
		   (m->accel == LAB_ACCEL_AUTO && access("/dev/kvm", R_OK | W_OK) == 0);

	return kvm ? "kvm" : "tcg";
}

static void add_console(struct lab_command *c, const char *folder, const char *guest)
{
	add(c, "-chardev");
	add(c, "socket,id=console,path=%s/%s.console,server=on,wait=off,logfile=%s/%s.log", folder,
	    guest, folder, guest);
	add(c, "-serial");
	add(c, "chardev:console");
	add(c, "-qmp");
	add(c, "unix:%s/%s.qmp,server=on,wait=off", folder, guest);
	add(c, "-daemonize");
	add(c, "-pidfile");
}

void lab_machine_command(struct lab_command *command, const struct lab *lab,
			 const struct lab_conf *conf, const struct lab_guest *guest)
{
	struct lab_command *c = command;
	char folder[CONF_PATH * 2];

	memset(c, 0, sizeof(*c));
	add(c, QEMU);
	add(c, "-name");
	add(c, "%s.%s", lab->name, guest->name);
	add(c, "-M");
	add(c, "pc,accel=%s", accelerator(&guest->machine));
	add(c, "-smp");
	add(c, "%u", guest->machine.cpus);
	add(c, "-m");
	add(c, "%u", guest->machine.memory);
	add(c, "-nodefaults");
	add(c, "-no-user-config");
	add(c, "-display");
	add(c, "none");
	add(c, "-device");
	add(c, "virtio-rng-pci");
	add_boot(c, guest);
	add_console(c, escaped(folder, lab->folder), guest->name);
	add(c, "%s/%s.pid", lab->folder, guest->name);
	for (unsigned i = 0; i < guest->n_networks; i++)
		add_card(c, lab, conf, guest, i);
}

/* In a group of its own: who ends this command from the terminal does not cut the start off
 * half way.  Nothing begins when the gate is closed without a word. */
static void __attribute__((noreturn)) become(const struct lab_command *c, int gate)
{
	char word;

	if (read(gate, &word, 1) != 1)
		_exit(127);
	setpgid(0, 0);
	execvp(c->argv[0], c->argv);
	cli_error(CLI_FAILED, "%s: %s%s", c->argv[0], strerror(errno),
		  errno == ENOENT ? ": install qemu-system-x86" : "");
	_exit(127);
}

/* Its process, which is noted before it is QEMU's. */
static enum cli_status begin(struct lab *lab, const struct lab_command *c, const char *guest,
			     pid_t *child)
{
	enum cli_status status;
	int gate[2];

	if (pipe2(gate, O_CLOEXEC) < 0)
		return cli_error(CLI_FAILED, "cannot make a pipe: %s", strerror(errno));
	*child = fork();
	if (*child == 0) {
		close(gate[1]);
		become(c, gate[0]);
	}
	close(gate[0]);
	if (*child < 0) {
		status = cli_error(CLI_FAILED, "cannot start a process: %s", strerror(errno));
	} else {
		lab_note_guest(lab, guest, *child, true);
		status = lab_save(lab);
	}
	if (status == CLI_DONE && write(gate[1], "", 1) != 1)
		status = cli_error(CLI_FAILED, "guest %s does not start", guest);
	close(gate[1]);
	return status;
}

/* QEMU itself says what is wrong; it goes on in the background when nothing is. */
static enum cli_status run(struct lab *lab, const struct lab_command *c, const char *guest)
{
	pid_t child = -1;
	enum cli_status begun = begin(lab, c, guest, &child);
	int status;

	if (child < 0)
		return begun;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return cli_error(CLI_FAILED, "cannot wait: %s", strerror(errno));
	if (begun != CLI_DONE || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return begun;
	return cli_error(CLI_FAILED, "guest %s does not start", guest);
}

bool lab_machine_runs(const struct lab *lab, const char *guest)
{
	for (int i = 0; i < PATIENCE && lab_guest_starter(lab, guest); i++) {
		if (lab_guest_pid(lab, guest))
			return true;
		nanosleep(&tenth, NULL);
	}
	return lab_guest_pid(lab, guest);
}

enum cli_status lab_machine_start(struct lab *lab, const struct lab_conf *conf,
				  const struct lab_guest *guest)
{
	struct lab_command command;
	enum cli_status status;
	pid_t pid;

	pid = lab_guest_starter(lab, guest->name);
	if (pid)
		return cli_error(CLI_FAILED,
				 "guest %s: an earlier start, process %d, hangs: lab down "
				 "ends it",
				 guest->name, (int)pid);
	lab_machine_command(&command, lab, conf, guest);
	status = run(lab, &command, guest->name);
	lab_command_free(&command);
	if (status != CLI_DONE)
		return status;
	pid = lab_guest_pid(lab, guest->name);
	if (!pid)
		return cli_error(CLI_FAILED, "guest %s: QEMU does not say its process id",
				 guest->name);
	lab_note_guest(lab, guest->name, pid, false);
	return lab_save(lab);
}

/* Whether it has ended in time.  While it starts, its process may not be there yet. */
static bool ends_by(int signal, const struct lab *lab, const char *guest)
{
	pid_t starter, pid, told = 0;

	for (int i = 0; i < PATIENCE; i++) {
		starter = lab_guest_starter(lab, guest);
		pid = lab_guest_pid(lab, guest);
		if (!starter && !pid)
			return true;
		if (!pid && signal == SIGKILL)
			pid = starter;
		if (pid && pid != told)
			kill(pid, signal);
		told = pid;
		nanosleep(&tenth, NULL);
	}
	return false;
}

enum cli_status lab_machine_end(const struct lab *lab, const char *guest)
{
	if (ends_by(SIGTERM, lab, guest) || ends_by(SIGKILL, lab, guest))
		return CLI_DONE;
	return cli_error(CLI_FAILED, "guest %s does not end", guest);
}
