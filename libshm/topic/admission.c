/*
 * admission.c - who may come in, and when is it gone.
 *
 * The kernel noted who connected (or listens) when it happened, and nobody can forge that. Only our own user is let
 * in. From then on the process is known by a pidfd; its number is for people to read.
 */
#include "topic/admission.h"

#include "base/sys.h"

#include <errno.h>

int plx_peer_open(struct plx_peer *peer, int fd)
{
	struct plx_sys_cred cred;
	int pidfd, ret = plx_sys_peer_cred(fd, &cred);

	if (ret < 0)
		return ret;
	if (cred.uid != plx_sys_uid())
		return -EACCES;
	pidfd = plx_sys_peer_pidfd(fd);
	if (pidfd < 0)
		return pidfd == -ESRCH ? -EPIPE : pidfd;
	peer->pidfd = pidfd;
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	return 0;
}

bool plx_peer_alive(const struct plx_peer *peer)
{
	struct pollfd p = { .fd = peer->pidfd, .events = POLLIN };

	/* an error is no proof of death */
	return plx_sys_poll(&p, 1, 0, NULL) <= 0 || p.revents == 0;
}

void plx_peer_close(struct plx_peer *peer)
{
	plx_sys_close(peer->pidfd);
	*peer = PLX_PEER_NONE;
}
