/* watch.h - know when a topic's directory may have changed. */
#ifndef PLX_TOPIC_WATCH_H
#define PLX_TOPIC_WATCH_H

#include "topic/discovery.h"

/*
 * inotify on the topic's directory, which is made if it is missing. A kernel gives a user few inotify
 * instances (128 by default); when they are used up, fd is -1 and the owner looks again every
 * PLX_WATCH_POLL_NS instead. So the pattern is:
 *
 *	plx_watch_open(); list and connect;
 *	when fd is readable (or, with fd == -1 or after an error, PLX_WATCH_POLL_NS went by):
 *		if (plx_watch_read() != 0) list and connect to those not known yet;
 */
struct plx_watch {
	int fd; /* pollable; -1 when there is none */
	int wd; /* -1 when no directory is watched just now */
};
#define PLX_WATCH_NONE    ((struct plx_watch){ .fd = -1, .wd = -1 })
#define PLX_WATCH_POLL_NS UINT64_C(100000000)

/**
 * plx_watch_open() - watch the topic of @place. List after this, not before: then nothing is missed.
 *
 * Return: 0 (also without inotify: fd is -1), -EACCES, -ENOMEM, and what plx_place_dir() says.
 */
int plx_watch_open(struct plx_watch *watch, const struct plx_place *place) plx_must_check;

/**
 * plx_watch_read() - take what the kernel has to say; never blocks.
 *
 * A queue that overflowed and a directory that vanished (it is made again, and watched) both end in "look again".
 *
 * Return: 1 look again (list), 0 nothing of interest, or -errno: look again after PLX_WATCH_POLL_NS.
 */
int plx_watch_read(struct plx_watch *watch, const struct plx_place *place) plx_must_check;

/** plx_watch_blind() - true when the owner must look by the clock: plx_watch_read() then always answers 1. */
bool plx_watch_blind(const struct plx_watch *watch);

/** plx_watch_close() - may be called twice. */
void plx_watch_close(struct plx_watch *watch);

#endif
