/* fuzz.h - what the fuzzers have in common. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdlib.h>

/** libFuzzer's entry (make fuzz); the test of the same name calls it too. */
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* Not assert(): it must hold in every build. */
#define HOLDS(what)                                                                                          \
	do {                                                                                                 \
		if (!(what))                                                                                 \
			abort();                                                                             \
	} while (0)

#endif
