/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for the bridge process in cli_test.sh: listens at SOCKET, appends
 * each request line to REQUESTS and answers with what ANSWER holds then.
 *
 * usage: cli_daemon SOCKET ANSWER REQUESTS
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void serve(FILE *client, const char *answer, const char *requests)
{
	char buffer[65536] = "";
	FILE *f = fopen(requests, "a");
	size_t n;

	if (f && fgets(buffer, sizeof(buffer), client))
		fputs(buffer, f);
	if (f)
		fclose(f);
	f = fopen(answer, "r");
	if (!f)
		return;
	n = fread(buffer, 1, sizeof(buffer), f);
	fclose(f);
	fseek(client, 0, SEEK_CUR);
	fwrite(buffer, 1, n, client);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client;
	FILE *f;

	if (argc != 4 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 2;
	strcpy(address.sun_path, argv[1]);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 8) != 0) {
		perror(argv[1]);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN); /* who only knocks does not end it */
	while ((client = accept(fd, NULL, NULL)) >= 0) {
		f = fdopen(client, "r+");
		if (!f)
			return 1;
		serve(f, argv[2], argv[3]);
		fclose(f);
	}
	return 1;
}
