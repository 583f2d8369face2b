/* cli_keep.h - wait for the end of a program and keep checkpoints of it meanwhile. */
#ifndef REDUCER_CLI_KEEP_H
#define REDUCER_CLI_KEEP_H

#include "reducer/net/net.h"

struct keep {
	const char *path;  /* NULL: no checkpoints */
	uint64_t every_ns; /* 0: only when asked to stop, and on SIGUSR1 */
	/* what became of it */
	uint32_t count;
	struct net_saved last;
	uint64_t longest_ns; /* pause */
};

/* keep_begin() - can a checkpoint be written there? Return: 0 or -errno. */
int keep_begin(const struct keep *keep) plx_must_check;

/*
 * keep_wait() - as net_wait_end(), with checkpoints. Asked to stop, it makes one more first. One that cannot be made is told
 * on stderr, and the program goes on.
 */
int keep_wait(struct keep *keep, struct net *net, struct net_result *result) plx_must_check;

#endif
