/* SPDX-License-Identifier: MIT */
/*
 * iniparser reads files by name only, and complains through one callback for
 * the whole process.  The text goes into a memory file that it opens through
 * /proc/self/fd; the report of the moment is kept beside the callback.
 */
#include <iniparser/iniparser.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf_parts.h"

struct conf_ini {
	dictionary *values;
};

static struct conf_report *complaints;

/* "iniparser: syntax error in NAME (LINE):\n-> TEXT\n": the name is of no use. */
static int complain(const char *fmt, ...)
{
	char text[1200];
	unsigned line = 0;
	const char *at;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text[strcspn(text, "\n")] = '\0';
	at = strrchr(text, '(');
	if (at)
		line = (unsigned)strtoul(at + 1, NULL, 10);
	conf_report_add(complaints, line, "%s",
			strstr(text, "syntax error") ? "must be [section], key = value or ; comment"
						     : text);
	return n;
}

static bool write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (size_t done = 0; done < len; done += (size_t)n) {
		n = write(fd, text + done, len - done);
		if (n <= 0)
			return false;
	}
	return true;
}

static dictionary *load(const char *text, size_t len)
{
	dictionary *values = NULL;
	char path[64];
	int fd;

	fd = memfd_create("lanspan.conf", MFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write_all(fd, text, len))
		values = iniparser_load(path);
	close(fd);
	return values;
}

struct conf_ini *conf_ini_load(const char *text, size_t len, struct conf_report *report)
{
	struct conf_ini *ini = calloc(1, sizeof(*ini));
	size_t before = report->n;

	if (!ini) {
		report->lost = true;
		return NULL;
	}
	complaints = report;
	iniparser_set_error_callback(complain);
	ini->values = load(text, len);
	iniparser_set_error_callback(NULL);
	complaints = NULL;
	if (ini->values)
		return ini;
	if (report->n == before)
		conf_report_add(report, 0, "cannot be handed to iniparser: is /proc mounted?");
	free(ini);
	return NULL;
}

const char *conf_ini_value(const struct conf_ini *ini, unsigned line)
{
	char key[32];

	snprintf(key, sizeof(key), ":k%u", line);
	return iniparser_getstring(ini->values, key, "");
}

void conf_ini_free(struct conf_ini *ini)
{
	if (!ini)
		return;
	iniparser_freedict(ini->values);
	free(ini);
}
