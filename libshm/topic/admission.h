/* admission.h - who is at the other end of a socket, and does that process still live. */
#ifndef PLX_TOPIC_ADMISSION_H
#define PLX_TOPIC_ADMISSION_H

#include <plx/common.h>

/* A process at the other end, as the kernel vouches for it. */
struct plx_peer {
	int pidfd; /* readable when it is dead; -1 when none */
	int32_t pid;
	uint32_t uid;
};
#define PLX_PEER_NONE ((struct plx_peer){ .pidfd = -1 })

/**
 * plx_peer_open() - ask the kernel who is at the other end of @fd, and let only our own user in.
 * @peer: set on success
 *
 * For who accepted: the process that connected. For who connected: the process that listens. SO_PEERPIDFD where
 * the kernel has it (6.5); before that pidfd_open() of the pid, then the connection is looked at again: a peer
 * that died in between has hung up.
 *
 * Return: 0, -EACCES (another user), -EPIPE (dead already), -EMFILE, -ENFILE.
 * Owner:  the caller closes it.
 */
int plx_peer_open(struct plx_peer *peer, int fd) plx_must_check;

/** plx_peer_alive() - false once the process is dead, whatever became of its number; one poll(). */
bool plx_peer_alive(const struct plx_peer *peer);

/** plx_peer_close() - may be called twice. */
void plx_peer_close(struct plx_peer *peer);

#endif
