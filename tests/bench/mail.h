/*
 * mail.h - one way to measure whatever carries messages from one process to another, ours and others'.
 *
 * A peer is a shared object that exports "struct mail_peer mail_peer"; tests/bench/mail/ has those that need nothing or a package of
 * Debian, and PEER_DIR=... names a folder with more of them (*.so). Only what is measured is loaded. C and C++.
 */
#ifndef TESTS_BENCH_MAIL_H
#define TESTS_BENCH_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MAIL_PATH 128

struct mail_peer {
	const char *name;
	const char *how; /* in a few words: polling or asleep, copies or not */
	bool polls;
	size_t size_max; /* 0: any */
	/*
	 * Called before there are two processes; messages are of @size bytes, nothing is lost. A channel carries one way; there are two.
	 * 0, or what is missing. May be NULL.
	 */
	const char *(*make)(const char *directory, size_t size);
	void (*forget)(const char *directory);
	/* An end, in the process that uses it. NULL: it cannot. The receiver of a channel may come before or after its sender. */
	void *(*sender)(const char *directory, int channel, size_t size);
	void *(*receiver)(const char *directory, int channel, size_t size);
	bool (*met)(void *sender);                        /* somebody receives; NULL: no need to ask */
	void *(*room)(void *sender, size_t size);         /* where the next message is to be written */
	int (*post)(void *sender, size_t size);           /* sends it; waits for room. Negative: it cannot */
	const void *(*take)(void *receiver, size_t size); /* the next message, waiting for it */
	void (*done)(void *receiver);                     /* it was read; may be NULL */
	void (*close_sender)(void *sender);
	void (*close_receiver)(void *receiver);
	bool by_name; /* a process that comes later finds it by its directory */
	bool keeps; /* ... and in it what was sent before it came, although somebody has to be met otherwise */
};

extern struct mail_peer mail_peer;

#ifdef __cplusplus
}
#endif

#endif
