/* SPDX-License-Identifier: MIT */
#include "host/trust.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MOST 40 /* as the kernel's */

struct walk {
	char real[TRUST_PATH]; /* so far; "": the root */
	char rest[TRUST_PATH]; /* what follows */
	unsigned links;
	struct stat st; /* of what real names */
};

static bool is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* Whose the root is does not matter: all programs are below it. */
static const char *folder_fault(const struct walk *w)
{
	if (*w->real && !is_ours(&w->st))
		return "is a folder of somebody else: must belong to root or to the user who runs "
		       "this";
	if (w->st.st_mode & 022)
		return "is a folder that others may write: run chmod go-w, or choose another place";
	return NULL;
}

static const char *file_fault(const struct walk *w)
{
	if (!S_ISREG(w->st.st_mode))
		return "not a regular file: must be an executable";
	if (!is_ours(&w->st))
		return "must belong to root or to the user who runs this";
	if (w->st.st_mode & 022)
		return "others may write it: must be for its owner alone, run chmod go-w";
	if (eaccess(w->real, X_OK) < 0)
		return "is not executable for the user who runs this: run chmod +x";
	return NULL;
}

/* The first name of the rest, or "" at its end. */
static void take_name(struct walk *w, char name[TRUST_PATH])
{
	char *begin = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(begin, "/");

	memcpy(name, begin, n);
	name[n] = '\0';
	memmove(w->rest, begin + n, strlen(begin + n) + 1);
}

/* What the link says comes before the rest. */
static const char *follow(struct walk *w)
{
	char target[TRUST_PATH * 2];
	ssize_t n = readlink(w->real, target, TRUST_PATH);

	if (n < 0)
		return strerror(errno);
	if (n == TRUST_PATH || (size_t)n + strlen(w->rest) >= TRUST_PATH)
		return strerror(ENAMETOOLONG);
	if (w->links++ == LINKS_MOST)
		return strerror(ELOOP);
	memcpy(target + n, w->rest, strlen(w->rest) + 1);
	memcpy(w->rest, target, strlen(target) + 1);
	*(*w->rest == '/' ? w->real : strrchr(w->real, '/')) = '\0';
	return NULL;
}

static const char *step(struct walk *w, const char *name)
{
	size_t used = strlen(w->real);

	if (strcmp(name, ".") == 0)
		return NULL;
	if (strcmp(name, "..") == 0) {
		if (used)
			*strrchr(w->real, '/') = '\0';
		return lstat(*w->real ? w->real : "/", &w->st) < 0 ? strerror(errno) : NULL;
	}
	if (snprintf(w->real + used, TRUST_PATH - used, "/%s", name) >= (int)(TRUST_PATH - used))
		return strerror(ENAMETOOLONG);
	if (lstat(w->real, &w->st) < 0)
		return strerror(errno);
	return S_ISLNK(w->st.st_mode) ? follow(w) : NULL;
}

static const char *walk(struct walk *w)
{
	const char *fault = lstat("/", &w->st) < 0 ? strerror(errno) : NULL;
	char name[TRUST_PATH];

	while (!fault) {
		if (S_ISDIR(w->st.st_mode))
			fault = folder_fault(w);
		take_name(w, name);
		if (fault || !*name)
			break;
		if (!S_ISDIR(w->st.st_mode) && !S_ISLNK(w->st.st_mode))
			return strerror(ENOTDIR);
		fault = step(w, name);
	}
	return fault ? fault : file_fault(w);
}

bool trust_program(const char *path, char real[TRUST_PATH], char why[TRUST_WHY])
{
	struct walk w = { .links = 0 };
	const char *fault = NULL;
	size_t used = 0;

	if (*path != '/' && !getcwd(w.rest, sizeof(w.rest)))
		fault = strerror(errno);
	used = strlen(w.rest);
	if (snprintf(w.rest + used, sizeof(w.rest) - used, "/%s", path) >=
	    (int)(sizeof(w.rest) - used))
		fault = strerror(ENAMETOOLONG);
	if (!fault)
		fault = walk(&w);
	if (fault)
		snprintf(why, TRUST_WHY, "%s: %s", *w.real ? w.real : "/", fault);
	else
		memcpy(real, w.real, strlen(w.real) + 1);
	return !fault;
}
