/* clock.c - the clock all durations and deadlines are measured with. */
#include <time.h>

#include <plx/process.h>

uint64_t plx_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts); /* no system call: the kernel's page answers */
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}
