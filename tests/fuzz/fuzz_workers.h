/* fuzz_workers.h - how inputs of fuzz_workers.c are made. */
#ifndef TESTS_FUZZ_WORKERS_H
#define TESTS_FUZZ_WORKERS_H

#include <stdint.h>

#define FUZZ_PLACES 11u

/* What lies there, and how long it is. */
struct fuzz_place {
	const void *at;
	uint64_t size;
};

/* One word: the place (what % FUZZ_PLACES; bit 7: of the second worker), which of its words, and what is written there. */
struct fuzz_poke {
	uint8_t what;
	uint8_t reserved;
	uint16_t where;
	uint32_t reserved1;
	uint64_t word;
};

#endif
