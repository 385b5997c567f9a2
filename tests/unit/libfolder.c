/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/trust.h"
#include "libfolder.h"

static bool may_run_here(const char *folder)
{
	char path[FOLDER_ROOM + 8], real[TRUST_PATH], why[TRUST_WHY];
	FILE *f;
	bool may;

	snprintf(path, sizeof(path), "%s/may", folder);
	f = fopen(path, "we");
	if (!f)
		return false;
	fclose(f);
	may = chmod(path, 0700) == 0 && trust_program(path, real, why);
	unlink(path);
	return may;
}

bool folder_make(char out[FOLDER_ROOM])
{
	const char *places[] = { getenv("XDG_RUNTIME_DIR"), "/run", getenv("HOME"), "/var/lib" };

	for (size_t i = 0; i < COUNT_OF(places); i++) {
		if (!places[i] || *places[i] != '/')
			continue;
		snprintf(out, FOLDER_ROOM, "%s/lanspan-test-XXXXXX", places[i]);
		if (!mkdtemp(out))
			continue;
		if (may_run_here(out))
			return true;
		rmdir(out);
	}
	return false;
}
