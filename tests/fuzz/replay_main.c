/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without libFuzzer: each file of its corpus, and mutations
 * of it that are the same in every run.
 *
 *   NAME_fuzz [-n MUTATIONS] [FILE or FOLDER]...
 *
 * Without a name: the folder tests/fuzz/corpus/NAME.  MUTATIONS for each file,
 * 2000 if not set.  An input that kills the target is left in
 * NAME_fuzz.last with its length behind it
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/rand.h"

#define INPUT_MAX (128 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

struct input {
	uint8_t bytes[INPUT_MAX];
	size_t len;
};

static unsigned long mutations = 2000;
static unsigned long files, inputs;

/* The input that runs now, in a mapped file: a crash leaves it there. */
static struct input *last;

static uint64_t draw(const struct rand_source *source, uint64_t below)
{
	uint64_t v;

	rand_fill(source, &v, sizeof(v));
	return v % below;
}

/* A copy of its own size, so that the sanitizer sees the first byte past it. */
static void run_one(const struct input *in)
{
	uint8_t *exact = malloc(MAX(in->len, (size_t)1));

	if (!exact)
		err(1, "malloc");
	memcpy(exact, in->bytes, in->len);
	memcpy(last->bytes, in->bytes, in->len);
	last->len = in->len;
	LLVMFuzzerTestOneInput(exact, in->len);
	free(exact);
	inputs++;
}

static void insert(struct input *in, size_t at, size_t n, uint8_t value)
{
	n = MIN(n, INPUT_MAX - in->len);
	memmove(in->bytes + at + n, in->bytes + at, in->len - at);
	memset(in->bytes + at, value, n);
	in->len += n;
}

static void mutate_once(struct input *in, const struct rand_source *source)
{
	static const uint8_t edges[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	size_t at = draw(source, in->len + 1);
	size_t n = 1 + draw(source, 1u << draw(source, 8));
	uint8_t edge = edges[draw(source, sizeof(edges))];

	switch (draw(source, 6)) {
	case 0:
		if (at < in->len)
			in->bytes[at] ^= (uint8_t)(1u << draw(source, 8));
		return;
	case 1:
		memset(in->bytes + at, edge, MIN(MIN(n, in->len - at), (size_t)8));
		return;
	case 2:
		in->len = at;
		return;
	case 3:
		insert(in, at, n, edge);
		return;
	case 4:
		n = MIN(n, in->len - at);
		memmove(in->bytes + at, in->bytes + at + n, in->len - at - n);
		in->len -= n;
		return;
	case 5:
		if (at < in->len)
			in->bytes[at] = (uint8_t)draw(source, 256);
		return;
	}
}

static void run_input(const struct input *seed)
{
	static struct input in;
	struct rand_seeded state;
	struct rand_source source =
		rand_source_seeded(&state, hash_bytes(seed->bytes, seed->len, 1));

	run_one(seed);
	for (unsigned long i = 0; i < mutations; i++) {
		size_t steps = 1 + draw(&source, 4);

		memcpy(in.bytes, seed->bytes, seed->len);
		in.len = seed->len;
		while (steps-- > 0)
			mutate_once(&in, &source);
		run_one(&in);
	}
}

static void run_file(const char *path)
{
	static struct input in;
	FILE *f = fopen(path, "rbe");

	if (!f)
		err(1, "%s", path);
	in.len = fread(in.bytes, 1, sizeof(in.bytes), f);
	if (ferror(f))
		err(1, "%s", path);
	fclose(f);
	run_input(&in);
	files++;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void run_path(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, not_hidden, alphasort);
	char name[4096];

	if (n < 0 && errno == ENOTDIR) {
		run_file(path);
		return;
	}
	if (n < 0)
		err(1, "%s", path);
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		run_file(name);
		free(entries[i]);
	}
	free(entries);
}

static void map_last(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || ftruncate(fd, sizeof(*last)) < 0)
		err(1, "%s", path);
	last = mmap(NULL, sizeof(*last), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (last == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
}

/* tests/fuzz/corpus/NAME for .../NAME_fuzz */
static void run_corpus(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash ? slash + 1 : program;
	size_t len = strlen(name);
	char path[4096];

	if (len > 5 && strcmp(name + len - 5, "_fuzz") == 0)
		len -= 5;
	snprintf(path, sizeof(path), "tests/fuzz/corpus/%.*s", (int)len, name);
	run_path(path);
}

int main(int argc, char **argv)
{
	static const struct input empty;
	char left[4096];
	int option;

	while ((option = getopt(argc, argv, "n:")) != -1) {
		if (option != 'n')
			errx(2, "usage: %s [-n MUTATIONS] [FILE or FOLDER]...", argv[0]);
		mutations = strtoul(optarg, NULL, 10);
	}
	snprintf(left, sizeof(left), "%s.last", argv[0]);
	map_last(left);
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);

	run_input(&empty);
	if (optind == argc)
		run_corpus(argv[0]);
	for (int i = optind; i < argc; i++)
		run_path(argv[i]);
	unlink(left);
	printf("%lu inputs of %lu files\n", inputs, files);
	return 0;
}
