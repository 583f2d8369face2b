/* wire.h - one datagram out, one datagram in, and no descriptor left behind. */
#ifndef PLX_TOPIC_WIRE_H
#define PLX_TOPIC_WIRE_H

#include "topic/handshake.h"

/* A datagram as it came. */
struct plx_datagram {
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	size_t size;
	unsigned int fds; /* descriptors that came: as many are in fd[] */
	int fd[PLX_GRANT_FDS];
};

/**
 * plx_wire_recv() - the next datagram; never blocks, never peeks.
 * @expect_fds: a grant may come (subscriber, before the grant); without it no descriptor is even installed
 *
 * Return: 1 with a datagram (the caller owns its descriptors), 0 end of file, -EAGAIN nothing there, -EPROTO more or
 *         other than a message can hold came (cut, or a wrong number of descriptors; all that came is closed: feed
 *         PLX_EVENT_TRUNCATED), or what the socket says (-ECONNRESET ...: PLX_EVENT_HANGUP).
 */
int plx_wire_recv(int fd, struct plx_datagram *datagram, bool expect_fds) plx_must_check;

/** plx_wire_drop() - close the descriptors of a datagram; may be called twice. */
void plx_wire_drop(struct plx_datagram *datagram);

/**
 * plx_wire_send() - send what a step says, with step->send_fds of @fds; never blocks, raises no signal.
 *
 * The descriptors stay the caller's.
 *
 * Return: 0, -EAGAIN (the peer does not read), -EPIPE, -ETOOMANYREFS (too many descriptors under way), -errno.
 */
int plx_wire_send(int fd, const struct plx_step *step, const int *fds) plx_must_check;

/** plx_wire_files() - which memories these two descriptors are: device and inode. Return: 0 or -errno. */
int plx_wire_files(struct plx_proof_files *files, const int fds[PLX_GRANT_FDS]) plx_must_check;

/**
 * plx_wire_wake() - send the one byte: PLX_WAKE_LOOK, or an errno to let a subscriber go.
 *
 * Return: 0, -EAGAIN (its queue is full: it has enough to wake up for), -EPIPE, -errno.
 */
int plx_wire_wake(int fd, unsigned char byte) plx_must_check;

#endif
