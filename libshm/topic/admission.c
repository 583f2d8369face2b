/*
 * admission.c - who may come in, and when is it gone.
 *
 * The kernel noted who connected (or listens) when it happened, and nobody can forge that. Only our own user is let
 * in, and who was named. From then on the process is known by a pidfd; its number is for people to read, and for what a
 * proof says of itself, which is compared while the pidfd says that the number is still its own.
 */
#include "topic/admission.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int plx_admission_init(struct plx_admission *admission, const struct plx_admit *admit)
{
	struct plx_admission a = { .users = admit->user_count, .groups = admit->group_count };

	if (a.users > PLX_ADMIT_MAX || a.groups > PLX_ADMIT_MAX)
		return -EINVAL;
	*admission = PLX_ADMISSION_NONE;
	if (a.users + a.groups == 0)
		return 0;
	a.ids = malloc((a.users + a.groups) * sizeof(*a.ids));
	if (!a.ids)
		return -ENOMEM;
	if (a.users > 0)
		memcpy(a.ids, admit->users, a.users * sizeof(*a.ids));
	if (a.groups > 0)
		memcpy(a.ids + a.users, admit->groups, a.groups * sizeof(*a.ids));
	*admission = a;
	return 0;
}

void plx_admission_fini(struct plx_admission *admission)
{
	free(admission->ids);
	*admission = PLX_ADMISSION_NONE;
}

bool plx_admission_user(const struct plx_admission *admission, uint32_t user)
{
	for (uint32_t i = 0; i < admission->users; i++) {
		if (admission->ids[i] == user)
			return true;
	}
	return false;
}

/* 1 when it may come in, 0, or -errno. */
static int admitted(int fd, const struct plx_sys_cred *cred, const struct plx_admission *a)
{
	if (cred->uid == plx_sys_uid())
		return 1;
	if (!plx_admission_any(a))
		return 0;
	if (plx_admission_user(a, cred->uid))
		return 1;
	for (uint32_t i = a->users; i < a->users + a->groups; i++) {
		if (a->ids[i] == cred->gid)
			return 1;
	}
	return a->groups ? plx_sys_peer_groups(fd, a->ids + a->users, a->groups) : 0;
}

int plx_peer_open(struct plx_peer *peer, int fd, const struct plx_admission *admission)
{
	struct plx_sys_cred cred;
	int pidfd, ret = plx_sys_peer_cred(fd, &cred);

	if (ret < 0)
		return ret;
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	ret = admitted(fd, &cred, admission);
	if (ret <= 0)
		return ret < 0 ? ret : -EACCES;
	pidfd = plx_sys_peer_pidfd(fd);
	if (pidfd < 0)
		return pidfd == -ESRCH ? -EPIPE : pidfd;
	peer->pidfd = pidfd;
	return 0;
}

bool plx_peer_alive(const struct plx_peer *peer)
{
	struct pollfd p = { .fd = peer->pidfd, .events = POLLIN };

	/* an error is no proof of death */
	return plx_sys_poll(&p, 1, 0, NULL) <= 0 || p.revents == 0;
}

bool plx_peer_gone(int fd)
{
	struct plx_sys_cred cred;
	int pidfd;

	if (plx_sys_peer_cred(fd, &cred) < 0 || cred.pid <= 0) /* 0: of a namespace we do not see */
		return false;
	pidfd = plx_sys_pidfd_open(cred.pid);
	plx_sys_close(pidfd);
	return pidfd == -ESRCH;
}

void plx_peer_close(struct plx_peer *peer)
{
	plx_sys_close(peer->pidfd);
	*peer = PLX_PEER_NONE;
}

/* ---- for proofs ---------------------------------------------------------------------------------- */

/* "\nNSpid:\t4711\t12\t1\n": from the namespace of /proc inwards. */
int32_t plx_peer_inner(const char *status)
{
	const char *at = strstr(status, "\nNSpid:");
	unsigned long value = 0;
	unsigned int count = 0;

	if (!at)
		return 0;
	for (at += 7; *at != '\n' && *at != '\0';) {
		char *end;

		if (*at == '\t' || *at == ' ') {
			at++;
			continue;
		}
		if (*at < '0' || *at > '9')
			return 0;
		value = strtoul(at, &end, 10);
		at = end;
		count++;
	}
	return count > 1 && value > 0 && value <= INT32_MAX ? (int32_t)value : 0;
}

struct plx_proof_seen plx_peer_seen(const struct plx_peer *peer)
{
	struct plx_proof_seen seen = { .pid = peer->pid };
	char path[32], text[4096];
	ssize_t n, size = 0;
	int fd;

	if (peer->pid <= 0)
		return (struct plx_proof_seen){ 0 };
	snprintf(path, sizeof(path), "/proc/%d/status", (int)peer->pid);
	fd = plx_sys_open(AT_FDCWD, path, O_RDONLY, 0);
	if (fd < 0)
		return seen;
	do {
		n = plx_sys_read(fd, text + size, sizeof(text) - 1 - (size_t)size);
		size += n > 0 ? n : 0;
	} while (n > 0 && (size_t)size < sizeof(text) - 1);
	plx_sys_close(fd);
	text[size] = '\0';
	if (plx_peer_alive(peer)) /* else the file may be about the next one of that number */
		seen.inner = plx_peer_inner(text);
	return seen;
}

struct plx_proof_self plx_peer_self(void)
{
	struct plx_proof_self self = { .pid = plx_sys_pid() };
	struct stat st;

	if (plx_sys_stat_at(AT_FDCWD, "/proc/self/ns/pid", &st) == 0)
		self.space = st.st_ino;
	return self;
}
