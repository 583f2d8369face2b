/* liar.h - speaks raw bytes to a publisher, or to a subscriber, and looks at what that does to their processes. */
#ifndef TESTS_LIAR_H
#define TESTS_LIAR_H

#include "tests/support/support.h"

#include "topic/discovery.h"
#include "topic/handshake.h"

#include <plx/segment.h>
#include <sys/types.h>

#define LIAR_FDS_MAX 253u /* as many as one packet can carry */

/** A raw, blocking connection to the @index-th publisher of @place that listens; -1 when there is none. */
int liar_connect(const struct plx_place *place, size_t index);

/** One packet with @n copies of @passed. Never blocks. Returns 0 or -errno. */
int liar_send(int fd, const void *bytes, size_t size, int passed, unsigned int n);
/** One packet with the @n descriptors of @list. */
int liar_send_list(int fd, const void *bytes, size_t size, const int *list, unsigned int n);

/** What came within @ms: bytes of the packet, 0 at the end of the stream, -EAGAIN when nothing came. Descriptors of a grant go to @fds. */
ssize_t liar_recv(int fd, void *bytes, size_t size, int fds[PLX_GRANT_FDS], int ms);

/** Bytes of an honest HELLO for @topic, lossy or reliable; returns their number. */
uint32_t liar_hello(unsigned char *bytes, const char *topic, bool lossy);

/* A grant a liar got, mapped. */
struct liar_grant {
	int fd; /* the connection */
	struct plx_grant grant;
	struct plx_segment data, link;
};

/** Connect, say hello, take the grant, map it. Returns 0 or -errno (a refusal's error too). */
int liar_join(struct liar_grant *g, const struct plx_place *place, bool lossy);
void liar_leave(struct liar_grant *g);

/** Open descriptors of another process; -1 when it is gone. */
int fds_of(pid_t pid);
/** Maps of another process whose line contains @needle. */
int maps_of(pid_t pid, const char *needle);
/** True while a child lives (it is not reaped). */
bool child_alive(pid_t pid);
/** Wait for its end; its exit code, or 128 and the signal that ended it. */
int child_end(pid_t pid);
/** In a child: without cmocka's handlers, which would go on with the parent's test, and not longer than @seconds. */
void die_as_others_do(unsigned int seconds);

/** In a liar's process: what does not hold ends it, and says so. */
#define MUST(what) must((what), #what)
void must(bool holds, const char *what);

/** A generator of noise: the same in each run. */
uint64_t noise(uint64_t *state);

#endif
