/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  libpcap writes through stdio.  Whenever a flush succeeded, the
 * length of the file is noted: a disk that fills leaves half a packet behind, and the
 * file is then cut back to what is whole.
 *
 * Names of several files are those of tcpdump(8): with -C the number of the file is
 * appended, from the second on, or to all of them, with leading zeros, if -W says how many
 * there are, which are then written in turns; with -G the name is one for strftime(3).
 */
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "capture.h"
#include "host/capture.h"

#define MILLION 1000000
#define FILE_HEADER 24
#define RECORD_HEADER 16
#define AT_RISK 65536 /* bytes at most between flushes: lost when the disk is full */
#define NAME_ROOM 4096

struct capture_file {
	struct capture_files how;
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	char name[NAME_ROOM];
	uint64_t bytes; /* of the file */
	uint64_t whole; /* of them flushed */
	unsigned count; /* of this name, by size */
	unsigned slots; /* of time */
	int64_t began;	/* the slot: seconds since the epoch */
	bool is_pipe, done;
	const char *reason; /* or NULL */
};

static enum cli_status tell(const struct capture_file *f, const char *what)
{
	return cli_error(CLI_FAILED, "capture: %s: %s: %s",
			 f->is_pipe ? "standard output" : f->name, what, strerror(errno));
}

static int digits(unsigned files)
{
	int n = 1;

	for (unsigned last = files - 1; last > 9; last /= 10)
		n++;
	return n;
}

static bool make_name(struct capture_file *f)
{
	size_t used = strlen(f->how.path);
	time_t began = (time_t)f->began;
	struct tm tm;

	if (f->how.most_seconds) {
		if (!localtime_r(&began, &tm))
			return false;
		used = strftime(f->name, NAME_ROOM, f->how.path, &tm);
	} else if (used < NAME_ROOM) {
		memcpy(f->name, f->how.path, used + 1);
	}
	if (used == 0 || used + 12 >= NAME_ROOM)
		return false;
	if (f->how.most_bytes && f->how.most_files)
		snprintf(f->name + used, NAME_ROOM - used, "%0*u", digits(f->how.most_files),
			 f->count);
	else if (f->how.most_bytes && f->count)
		snprintf(f->name + used, NAME_ROOM - used, "%u", f->count);
	return true;
}

static bool is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* A symbolic link that nobody else can have made, nor put there. */
static bool is_own_link(const char *name)
{
	const char *slash = strrchr(name, '/');
	char folder[NAME_ROOM] = ".";
	struct stat st, above;

	if (slash) /* with the slash: what a link to a folder leads to */
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash + 1 - name), name);
	return lstat(name, &st) == 0 && stat(folder, &above) == 0 && is_ours(&st) &&
	       is_ours(&above) && !(above.st_mode & 022);
}

/* Whoever may write the folder does not choose which file we write over. */
static int open_file(const char *name)
{
	const int how = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
	int fd = open(name, how | O_NOFOLLOW, 0666);

	if (fd >= 0 || errno != ELOOP)
		return fd;
	if (is_own_link(name))
		return open(name, how, 0666);
	errno = ELOOP;
	return -1;
}

static FILE *open_stream(struct capture_file *f)
{
	int fd = f->is_pipe ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0) : open_file(f->name);

	return fd < 0 ? NULL : fdopen(fd, "w");
}

static enum cli_status open_next(struct capture_file *f)
{
	FILE *stream;

	f->reason = "write-failed"; /* but for what follows */
	f->whole = 0;
	f->bytes = FILE_HEADER;
	if (!f->is_pipe && !make_name(f))
		return cli_error(CLI_FAILED, "capture: %s: no name of a file", f->how.path);
	stream = open_stream(f);
	if (!stream && errno == ELOOP)
		return cli_error(CLI_FAILED,
				 "capture: %s: a symbolic link that others can make: not followed",
				 f->name);
	if (!stream)
		return tell(f, "cannot be written");
	f->dumper = pcap_dump_fopen(f->pcap, stream);
	if (!f->dumper) {
		fclose(stream);
		return tell(f, "cannot be written");
	}
	f->reason = NULL;
	return CLI_DONE;
}

void capture_let_go(FILE *stream)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null < 0)
		return;
	dup3(null, fileno(stream), O_CLOEXEC);
	close(null);
}

const char *capture_error_word(int error)
{
	if (error == EPIPE)
		return "unread";
	if (error == EINTR)
		return "stopped";
	return error == ENOSPC || error == EDQUOT ? "disk-full" : "write-failed";
}

const char *capture_file_reason(const struct capture_file *f)
{
	return f->reason;
}

/* Devices have no length. */
static bool cut_back(int fd, uint64_t whole)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) || ftruncate(fd, (off_t)whole) == 0);
}

/* Nobody reads a pipe any more, or we were told to end: no error. */
static enum cli_status stop(struct capture_file *f)
{
	enum cli_status status = CLI_DONE;
	int fd;

	f->done = true;
	f->reason = capture_error_word(errno);
	if (errno != EPIPE && errno != EINTR)
		status = tell(f, "cannot write, capture stopped");
	fd = fcntl(fileno(pcap_dump_file(f->dumper)), F_DUPFD_CLOEXEC, 0);
	capture_let_go(pcap_dump_file(f->dumper));
	pcap_dump_close(f->dumper);
	f->dumper = NULL;
	if (!f->is_pipe && !cut_back(fd, f->whole))
		status = tell(f, "cannot be cut back to what is whole");
	if (fd >= 0)
		close(fd);
	return status;
}

enum cli_status capture_file_flush(struct capture_file *f)
{
	if (!f->dumper)
		return CLI_DONE;
	if (pcap_dump_flush(f->dumper) < 0 || ferror(pcap_dump_file(f->dumper)))
		return stop(f);
	f->whole = f->bytes;
	return CLI_DONE;
}

enum cli_status capture_file_close(struct capture_file *f)
{
	enum cli_status status = capture_file_flush(f);

	if (f->dumper)
		pcap_dump_close(f->dumper);
	pcap_close(f->pcap);
	free(f);
	return status;
}

struct capture_file *capture_file_open(const struct capture_files *files)
{
	struct capture_file *f = calloc(1, sizeof(*f));

	if (!f || !(f->pcap = pcap_open_dead(files->ip ? DLT_RAW : DLT_EN10MB, CAPTURE_SNAP))) {
		cli_error(CLI_FAILED, "memory is short");
		free(f);
		return NULL;
	}
	f->how = *files;
	f->is_pipe = strcmp(files->path, "-") == 0;
	f->began = clock_wall_seconds();
	/* The header is there before the first packet: readers of a pipe wait for it. */
	if (open_next(f) == CLI_DONE && capture_file_flush(f) == CLI_DONE)
		return f;
	if (f->dumper)
		pcap_dump_close(f->dumper);
	pcap_close(f->pcap);
	free(f);
	return NULL;
}

bool capture_file_done(const struct capture_file *f)
{
	return f->done;
}

static enum cli_status change(struct capture_file *f)
{
	enum cli_status status = capture_file_flush(f);

	if (!f->dumper)
		return status;
	pcap_dump_close(f->dumper);
	f->dumper = NULL;
	return open_next(f);
}

/* Another file when this one is large or old enough. */
static enum cli_status rotate(struct capture_file *f, int64_t now)
{
	if (f->how.most_seconds && now >= f->began + f->how.most_seconds) {
		f->slots++;
		if (f->how.most_files && f->slots >= f->how.most_files) {
			f->done = true;
			f->reason = "files";
			return CLI_DONE;
		}
		f->began = now;
		f->count = 0;
		return change(f);
	}
	if (f->how.most_bytes && f->bytes > f->how.most_bytes) {
		f->count++;
		if (f->how.most_files)
			f->count %= f->how.most_files;
		return change(f);
	}
	return CLI_DONE;
}

enum cli_status capture_file_write(struct capture_file *f, const struct captured *packet)
{
	struct pcap_pkthdr header = {
		.ts = { (time_t)(packet->at / MILLION), (suseconds_t)(packet->at % MILLION) },
		.caplen = packet->have < f->how.snap ? packet->have : f->how.snap,
		.len = packet->len
	};
	enum cli_status status = rotate(f, header.ts.tv_sec);

	if (status != CLI_DONE || f->done)
		return status;
	pcap_dump((u_char *)f->dumper, &header, packet->bytes);
	if (ferror(pcap_dump_file(f->dumper)))
		return stop(f);
	f->bytes += RECORD_HEADER + header.caplen;
	return f->bytes - f->whole > AT_RISK ? capture_file_flush(f) : CLI_DONE;
}
