/*
 * sys_socket.c - the doors for sockets, and for descriptors and identities that travel over them.
 *
 * Descriptors from a stranger are dangerous before they are used: each one that arrives and is not expected is a leak, and
 * the kernel installs them even when the message is cut. So a packet has an exact number of them or is thrown away whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sys.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

#define FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

int plx_sys_socket(void)
{
	int ret = plx_sys_gate("socket", EMFILE);

	if (ret < 0)
		return ret;
	ret = socket(AF_UNIX, SOCK_SEQPACKET | FLAGS, 0);
	return ret < 0 ? -errno : ret;
}

int plx_sys_socketpair(int pair[2])
{
	int ret = plx_sys_gate("socketpair", EMFILE);

	if (ret < 0)
		return ret;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | FLAGS, 0, pair) < 0 ? -errno : 0;
}

/* /proc/self/fd/DIR/NAME: short whatever the directory is called, and it stays that directory when it is renamed. */
static int address(struct sockaddr_un *addr, int dir, const char *name)
{
	int n;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d/%s", dir, name);
	return n < 0 || (size_t)n >= sizeof(addr->sun_path) ? -ENAMETOOLONG : 0;
}

int plx_sys_bind(int fd, int dir, const char *name)
{
	struct sockaddr_un addr;
	int ret = plx_sys_gate("bind", EACCES);

	if (ret < 0)
		return ret;
	ret = address(&addr, dir, name);
	if (ret < 0)
		return ret;
	return bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

int plx_sys_connect(int fd, int dir, const char *name)
{
	struct sockaddr_un addr;
	int ret = plx_sys_gate("connect", ECONNREFUSED);

	if (ret < 0)
		return ret;
	ret = address(&addr, dir, name);
	if (ret < 0)
		return ret;
	return connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

int plx_sys_bound(int dir, const char *name)
{
	struct sockaddr_un addr;
	int fd, ret = plx_sys_gate("bound", EMFILE);

	if (ret < 0)
		return ret;
	ret = address(&addr, dir, name);
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | FLAGS, 0);
	if (fd < 0)
		return -errno;
	ret = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? errno : 0;
	close(fd);
	if (ret == ECONNREFUSED)
		return 0;
	return ret == 0 || ret == EPROTOTYPE || ret == EAGAIN ? 1 : -ret;
}

int plx_sys_listen(int fd, int backlog)
{
	int ret = plx_sys_gate("listen", EADDRINUSE);

	if (ret < 0)
		return ret;
	return listen(fd, backlog) < 0 ? -errno : 0;
}

int plx_sys_accept(int fd)
{
	int ret = plx_sys_gate("accept", EMFILE);

	if (ret < 0)
		return ret;
	do {
		ret = accept4(fd, NULL, NULL, FLAGS);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

/* ---- packets ------------------------------------------------------------------------------------- */

/* Room for the descriptors of one packet, aligned as control data must be. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(PLX_SYS_FDS_MAX * sizeof(int))];
};

int plx_sys_send(int fd, const void *buf, size_t size)
{
	ssize_t n = plx_sys_gate("send", EPIPE);

	if (n < 0)
		return (int)n;
	do {
		n = send(fd, buf, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int plx_sys_send_fds(int fd, const void *buf, size_t size, const int *fds, unsigned int n)
{
	union control control;
	struct iovec iov = { (void *)(uintptr_t)buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent = plx_sys_gate("send_fds", EPIPE);

	if (sent < 0)
		return (int)sent;
	if (n > PLX_SYS_FDS_MAX || size == 0)
		return -EINVAL;
	if (n > 0) {
		memset(&control, 0, sizeof(control));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, n * sizeof(int));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	do {
		sent = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

ssize_t plx_sys_recv(int fd, void *buf, size_t size)
{
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = plx_sys_gate("recv", ECONNRESET);

	if (n < 0)
		return n;
	do { /* without room for control data the kernel drops descriptors, and says so */
		n = recvmsg(fd, &msg, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC) ? -EPROTO : n;
}

/* Every descriptor that came, at most PLX_SYS_FDS_MAX of them; more cannot: there was no room. */
static unsigned int collect(struct msghdr *msg, int came[PLX_SYS_FDS_MAX])
{
	unsigned int n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len && n < PLX_SYS_FDS_MAX; i++)
			memcpy(&came[n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return n;
}

ssize_t plx_sys_recv_fds(int fd, void *buf, size_t size, int *fds, unsigned int want, unsigned int *got)
{
	union control control;
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int came[PLX_SYS_FDS_MAX];
	unsigned int count;
	ssize_t n = plx_sys_gate("recv_fds", ECONNRESET);

	*got = 0;
	if (n < 0)
		return n;
	if (want == 0 || want > PLX_SYS_FDS_MAX)
		return -EINVAL;
	memset(&control, 0, sizeof(control));
	do {
		msg.msg_control = control.bytes;
		/* CMSG_LEN, not CMSG_SPACE: in the padding of an odd number the kernel would find room for one more */
		msg.msg_controllen = CMSG_LEN(want * sizeof(int));
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	count = collect(&msg, came);
	if ((msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) || (count != 0 && count != want) ||
	    (count != 0 && n == 0)) {
		for (unsigned int i = 0; i < count; i++)
			plx_sys_close(came[i]);
		return -EPROTO;
	}
	memcpy(fds, came, count * sizeof(int));
	*got = count;
	return n;
}

/* ---- who is at the other end --------------------------------------------------------------------- */

int plx_sys_peer_cred(int fd, struct plx_sys_cred *cred)
{
	struct ucred ucred;
	socklen_t size = sizeof(ucred);
	int ret = plx_sys_gate("peer_cred", EIO);

	if (ret < 0)
		return ret;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &size) < 0)
		return -errno;
	*cred = (struct plx_sys_cred){ ucred.pid, ucred.uid, ucred.gid };
	return 0;
}

static bool in_common(const gid_t *have, size_t n, const uint32_t *groups, uint32_t count)
{
	for (size_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < count; k++) {
			if (have[i] == groups[k])
				return true;
		}
	}
	return false;
}

int plx_sys_peer_groups(int fd, const uint32_t *groups, uint32_t count)
{
	gid_t few[64], *many = few;
	socklen_t size = sizeof(few);
	int ret = plx_sys_gate("peer_groups", ENOMEM);

	if (ret < 0)
		return ret;
	ret = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, few, &size) < 0 ? -errno : 0;
	if (ret ==
	    -ERANGE) { /* size says now how much it takes; what the peer had when it connected never changes */
		many = malloc(size);
		if (!many)
			return -ENOMEM;
		ret = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, many, &size) < 0 ? -errno : 0;
	}
	if (ret == 0)
		ret = in_common(many, size / sizeof(*many), groups, count);
	else if (ret == -ENODATA) /* nobody noted them */
		ret = 0;
	if (many != few)
		free(many);
	return ret;
}

/* Does the other end still hold the connection? */
static bool connected(int fd)
{
	struct pollfd p = { .fd = fd, .events = 0 };

	return poll(&p, 1, 0) == 0;
}

int plx_sys_peer_pidfd(int fd)
{
	struct plx_sys_cred cred;
	socklen_t size = sizeof(int);
	int pidfd = -1, ret = plx_sys_gate("peer_pidfd", EMFILE);

	if (ret < 0)
		return ret;
	if (!plx_sys_gate_old()) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
			return pidfd;
		if (errno != ENOPROTOOPT)
			return -errno;
	}
	ret = plx_sys_peer_cred(fd, &cred);
	if (ret < 0)
		return ret;
	pidfd = plx_sys_pidfd_open(cred.pid);
	if (pidfd >= 0 && !connected(fd)) {
		plx_sys_close(pidfd);
		return -ESRCH;
	}
	return pidfd;
}

int plx_sys_socket_error(int fd)
{
	int error = 0, ret = plx_sys_gate("socket_error", EIO);
	socklen_t size = sizeof(error);

	if (ret < 0)
		return ret;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

int plx_sys_refuse_fds(int fd)
{
	int off = 0, ret = plx_sys_gate("refuse_fds", EPERM);

	if (ret < 0)
		return ret;
	if (plx_sys_gate_old())
		return -ENOPROTOOPT;
	return setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) < 0 ? -errno : 0;
}

void plx_sys_shutdown(int fd)
{
	plx_sys_gate_release("shutdown");
	shutdown(fd, SHUT_RDWR);
}

int plx_sys_send_buffer(int fd, int bytes)
{
	int ret = plx_sys_gate("send_buffer", ENOBUFS);

	if (ret < 0)
		return ret;
	return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0 ? -errno : 0;
}

int plx_sys_tell(const char *path, const void *buf, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t length = strlen(path);
	int fd = plx_sys_gate("tell", ECONNREFUSED), ret;

	if (fd < 0)
		return fd;
	if (length == 0 || length >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, length);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = sendto(fd, buf, size, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&addr,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0
		      ? -errno
		      : 0;
	close(fd);
	return ret;
}
