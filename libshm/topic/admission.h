/* admission.h - who is at the other end of a socket, and does that process still live. */
#ifndef PLX_TOPIC_ADMISSION_H
#define PLX_TOPIC_ADMISSION_H

#include <plx/admit.h>

#include "topic/handshake_proof.h"

/* Who is admitted besides our own user; a copy of what the caller had. */
struct plx_admission {
	uint32_t *ids; /* users, then groups; NULL when there are none */
	uint32_t users, groups;
};
#define PLX_ADMISSION_NONE ((struct plx_admission){ .ids = NULL })

/** plx_admission_init() - Return: 0, -EINVAL (more than PLX_ADMIT_MAX), -ENOMEM. Owner: plx_admission_fini(). */
int plx_admission_init(struct plx_admission *admission, const struct plx_admit *admit) plx_must_check;
void plx_admission_fini(struct plx_admission *admission);

/** plx_admission_any() - is anybody admitted besides us? */
static inline bool plx_admission_any(const struct plx_admission *admission)
{
	return admission && admission->users + admission->groups > 0;
}

/** plx_admission_user() - is this user admitted by name? */
bool plx_admission_user(const struct plx_admission *admission, uint32_t user) plx_must_check;

/* A process at the other end, as the kernel vouches for it. */
struct plx_peer {
	int pidfd; /* readable when it is dead; -1 when none */
	int32_t pid;
	uint32_t uid;
};
#define PLX_PEER_NONE ((struct plx_peer){ .pidfd = -1 })

/**
 * plx_peer_open() - ask the kernel who is at the other end of @fd, and let only our own user in, or who is admitted.
 * @peer:      set on success; pid and uid also with -EACCES
 * @admission: NULL: our own user
 *
 * For who accepted: the process that connected. For who connected: the process that listens. SO_PEERPIDFD where
 * the kernel has it (6.5); before that pidfd_open() of the pid, then the connection is looked at again: a peer
 * that died in between has hung up.
 *
 * Return: 0, -EACCES (another user), -EPIPE (dead already), -EMFILE, -ENFILE, -ENOMEM.
 * Owner:  the caller closes it.
 */
int plx_peer_open(struct plx_peer *peer, int fd, const struct plx_admission *admission) plx_must_check;

/** plx_peer_alive() - false once the process is dead, whatever became of its number; one poll(). */
bool plx_peer_alive(const struct plx_peer *peer);

/** plx_peer_gone() - is nobody left by the number of who made the other end of @fd? Then it is dead for certain. */
bool plx_peer_gone(int fd);

/** plx_peer_seen() - what of the peer can be compared with what it says of itself; zero what cannot be told. */
struct plx_proof_seen plx_peer_seen(const struct plx_peer *peer);

/** plx_peer_self() - what we say of ourselves. */
struct plx_proof_self plx_peer_self(void);

/** plx_peer_close() - may be called twice. */
void plx_peer_close(struct plx_peer *peer);

/** plx_peer_inner() - the number a process has in its own pid namespace, of the text of /proc/PID/status; 0: only one, or none. */
int32_t plx_peer_inner(const char *status);

#endif
