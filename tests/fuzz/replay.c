/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a harness over files, so that what fuzzing found is tested without clang. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		uint8_t *p;
		long n;

		if (!f || fseek(f, 0, SEEK_END) < 0 || (n = ftell(f)) < 0) {
			fprintf(stderr, "cannot read %s\n", argv[i]);
			return 1;
		}
		rewind(f);
		p = malloc(n ? (size_t)n : 1); /* exact: AddressSanitizer sees overruns */
		if (!p || fread(p, 1, (size_t)n, f) != (size_t)n)
			return 1;
		fclose(f);
		fprintf(stderr, "%s\n", argv[i]);
		LLVMFuzzerTestOneInput(p, (size_t)n);
		free(p);
	}
	return 0;
}
