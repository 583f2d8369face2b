/* place.h - processors and limits: the doors of who places workers. */
#ifndef BASE_PLACE_H
#define BASE_PLACE_H

#include <plx/common.h>

/** plx_place_count() - processors this process may use: its affinity, and what its cgroup grants; 1 at least. */
uint32_t plx_place_count(void);

/** plx_place_here() - the processor we are on. */
int plx_place_here(void);

/** plx_place_on() - a process (0: this thread) runs on @cpu only, from now on. Return: 0 or -errno. */
int plx_place_on(int32_t pid, int cpu) plx_must_check;

/** plx_place_nth() - this thread runs on the @n-th processor it may use, round and round; new memory comes from near it. */
int plx_place_nth(uint32_t n) plx_must_check;

/** plx_place_anywhere() - a process runs where we may. */
int plx_place_anywhere(int32_t pid) plx_must_check;

/** plx_place_nice(), plx_place_limit() - setpriority, setrlimit (both limits, never above the hard one). */
int plx_place_nice(int nice) plx_must_check;
int plx_place_limit(int resource, uint64_t value) plx_must_check;

#endif
