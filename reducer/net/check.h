/*
 * check.h - every invariant of an arena at rest.
 */
#ifndef REDUCER_NET_CHECK_H
#define REDUCER_NET_CHECK_H

#include "reducer/net/arena.h"

/*
 * check_arena() - free + live = total in each partition; with @done also: each live node hangs on exactly one wire, each
 * live variable has its two ends (one, and a value, when it is bound), queues and rings are empty.
 *
 * Return: 0, -EBADMSG with *@why, -ENOMEM.
 */
int check_arena(const struct arena *arena, bool done, const char **why) plx_must_check;

#endif
