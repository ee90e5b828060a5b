/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a harness over the files that a list names, line by line, so that what fuzzing
   found is tested without clang. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int run(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p;
	long n;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (n = ftell(f)) < 0) {
		fprintf(stderr, "cannot read %s\n", path);
		return 1;
	}
	rewind(f);
	p = malloc(n ? (size_t)n : 1); /* exact: AddressSanitizer sees overruns */
	if (!p || fread(p, 1, (size_t)n, f) != (size_t)n)
		return 1;
	fclose(f);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(p, (size_t)n);
	free(p);
	return 0;
}

int main(int argc, char **argv)
{
	FILE *list = argc == 2 ? fopen(argv[1], "r") : NULL;
	char path[4096];
	int rc = 0;

	if (!list) {
		fprintf(stderr, "usage: %s LIST-OF-FILES\n", argv[0]);
		return 2;
	}
	while (!rc && fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = 0;
		rc = run(path);
	}
	fclose(list);
	return rc;
}
