/* doors.h - the doors to the kernel that a test holds shut (base/sys.h). */
#ifndef TESTS_DOORS_H
#define TESTS_DOORS_H

#include "base/sys.h"

/* All doors open, as if none had ever been shut: a setup. */
static inline int doors_open(void **state)
{
	(void)state;
	plx_fault_at = -1;
	plx_fault_seen = 0;
	plx_fault_error = 0;
	plx_fault_old = 0;
	plx_fault_door = NULL;
	return 0;
}

#endif
