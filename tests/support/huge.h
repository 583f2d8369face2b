/* huge.h - huge pages set aside for a test, and given back: the machine has as many afterwards as before. */
#ifndef TESTS_HUGE_H
#define TESTS_HUGE_H

#include <stdint.h>

#define MIB2 (UINT64_C(2) << 20)
#define GIB1 (UINT64_C(1) << 30)

struct huge_reserve {
	int fd; /* of nr_hugepages, locked: one test at a time */
	uint64_t page;
	unsigned long before;
};

/* Exactly @n free pages of @page bytes; skips the test when we may not, or the machine cannot. */
struct huge_reserve huge_set_aside(uint64_t page, unsigned long n);
void huge_give_back(struct huge_reserve *r);
unsigned long huge_free(uint64_t page);

#endif
