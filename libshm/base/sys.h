/*
 * sys.h - the doors to the kernel: every system call libshm makes is made in base/sys*.c and nowhere else.
 *
 * A door returns what the call returns, or -errno. It adds what every caller would otherwise have to remember:
 * close-on-exec, no SIGPIPE, EINTR where repeating is right, and the fallbacks for kernels as old as 6.1.
 *
 * Doors are counted. A test build (-DPLX_FAULT) can hold the n-th one shut, or die at it: see the end.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <plx/common.h>

/* ---- memory (sys.c) ------------------------------------------------------------------------- */

/** An anonymous file that can be sealed and not be executed (as far as the kernel knows how), mode 0600. */
int plx_sys_memfd(const char *name) plx_must_check;

/**
 * The same of huge pages, each of 1 << @shift bytes; nothing is taken from the machine before it is allocated.
 * -ENODEV or -EINVAL when this kernel has no pages of that size.
 */
int plx_sys_memfd_huge(const char *name, unsigned int shift) plx_must_check;

/** Set the size of a file. -EFBIG above RLIMIT_FSIZE, without the signal. */
int plx_sys_truncate(int fd, uint64_t size) plx_must_check;

/**
 * Give [@off, @off + @len) of a memfd its memory. Goes in steps, so that signals cannot starve it.
 * -ENOSPC when the machine plainly has not that much, instead of waking the kernel's out-of-memory killer.
 */
int plx_sys_allocate(int fd, uint64_t off, uint64_t len) plx_must_check;
/** The same without that look: for what is not taken from free memory (huge pages set aside, a disk). */
int plx_sys_allocate_there(int fd, uint64_t off, uint64_t len) plx_must_check;

/** mmap; @fd -1 for private anonymous memory. @flags are added to MAP_SHARED or MAP_PRIVATE|MAP_ANONYMOUS. */
int plx_sys_map(void **addr, uint64_t size, int prot, int flags, int fd) plx_must_check;
void plx_sys_unmap(void *addr, uint64_t size);
int plx_sys_advise(void *addr, uint64_t size, int advice) plx_must_check;

/** Add seals (F_SEAL_*); ask for the seals there are: -EINVAL when it is nothing that can be sealed. */
int plx_sys_seal(int fd, int seals) plx_must_check;
int plx_sys_seals(int fd) plx_must_check;

/* ---- files, directories (sys.c) ----------------------------------------------------------------- */

int plx_sys_chmod(int fd, mode_t mode) plx_must_check;
/** Give a file to a group; its owner stays. */
int plx_sys_chgrp(int fd, gid_t group) plx_must_check;
/** The same for a name, for what cannot be opened (sockets). A symbolic link is not followed by chgrp; chmod is only for names of ours. */
int plx_sys_chmod_at(int dir, const char *path, mode_t mode) plx_must_check;
int plx_sys_chgrp_at(int dir, const char *path, gid_t group) plx_must_check;
int plx_sys_stat(int fd, struct stat *st) plx_must_check;
/** Which kind of filesystem a file is on: one of these, or another number, or -errno. */
int64_t plx_sys_filesystem(int fd) plx_must_check;
#define PLX_SYS_TMPFS     0x01021994
#define PLX_SYS_HUGETLBFS 0x958458f6

/** A new open file of the same inode, with rights of its own: @flags O_RDONLY or O_RDWR. */
int plx_sys_reopen(int fd, int flags) plx_must_check;
uint64_t plx_sys_fd_limit(void); /* descriptors this process may have */
int plx_sys_dup(int fd) plx_must_check;
/** Close; -1 is fine. errno stays as it is. */
void plx_sys_close(int fd);

/** O_CLOEXEC|O_NOCTTY are added; repeats after EINTR. @dir may be AT_FDCWD. */
int plx_sys_open(int dir, const char *path, int flags, mode_t mode) plx_must_check;
ssize_t plx_sys_read(int fd, void *buf, size_t size) plx_must_check;
ssize_t plx_sys_read_at(int fd, void *buf, size_t size, uint64_t off) plx_must_check;
ssize_t plx_sys_write(int fd, const void *buf, size_t size) plx_must_check;
/** lseek with SEEK_DATA or SEEK_HOLE: where the next one begins; -ENXIO past the last. */
int64_t plx_sys_seek(int fd, uint64_t off, int whence) plx_must_check;

/* Files that keep their contents (sys_file.c). */
/** mmap of [@off, @off + @size), shared. */
int plx_sys_map_file(void **addr, uint64_t size, int prot, int fd, uint64_t off) plx_must_check;
ssize_t plx_sys_write_at(int fd, const void *buf, size_t size, uint64_t off) plx_must_check;
/** fsync: all that was written, also through maps, is on the disk. */
int plx_sys_sync(int fd) plx_must_check;
/**
 * Lock a whole file, for all who lock; -EBUSY when another open file has it. It belongs to the open file: it ends when the
 * last descriptor and the last map made from it are gone, in whatever process.
 */
int plx_sys_lock(int fd, bool exclusive) plx_must_check;

int plx_sys_mkdir(int dir, const char *path, mode_t mode) plx_must_check;
int plx_sys_rmdir(int dir, const char *path) plx_must_check;
int plx_sys_unlink(int dir, const char *path) plx_must_check;
int plx_sys_rename(int dir, const char *from, const char *to) plx_must_check;
/** lstat: a symbolic link is reported, not followed. */
int plx_sys_lstat(int dir, const char *path, struct stat *st) plx_must_check;
/** stat: symbolic links are followed; for /proc/PID/fd/N, whose links lead to the real thing. */
int plx_sys_stat_at(int dir, const char *path, struct stat *st) plx_must_check;
/** The text of a link, terminated; -ENAMETOOLONG when it does not fit. Returns its length. */
ssize_t plx_sys_readlink(int dir, const char *path, char *buf, size_t size) plx_must_check;
/** Raw directory entries (struct dirent64 packed); 0 at the end. base/dir.h walks them. */
ssize_t plx_sys_dirents(int fd, void *buf, size_t size) plx_must_check;

/* ---- sockets (sys_socket.c): AF_UNIX, SOCK_SEQPACKET, non-blocking, close-on-exec ---------------- */

int plx_sys_socket(void) plx_must_check;
int plx_sys_socketpair(int pair[2]) plx_must_check;
/** Through /proc/self/fd/@dir/@name, so that long directories work. @name at most 80 bytes, else -ENAMETOOLONG. */
int plx_sys_bind(int fd, int dir, const char *name) plx_must_check;
int plx_sys_connect(int fd, int dir, const char *name) plx_must_check;
int plx_sys_listen(int fd, int backlog) plx_must_check;
/** The accepted socket is non-blocking and close-on-exec too. -EAGAIN when nobody waits. */
int plx_sys_accept(int fd) plx_must_check;

/** One packet, whole or not at all; never blocks, never SIGPIPE. */
int plx_sys_send(int fd, const void *buf, size_t size) plx_must_check;
/** One packet with @n descriptors (at most PLX_SYS_FDS_MAX); they stay the caller's. */
int plx_sys_send_fds(int fd, const void *buf, size_t size, const int *fds, unsigned int n) plx_must_check;
#define PLX_SYS_FDS_MAX 8u

/**
 * One packet. Descriptors that come with it are dropped by the kernel and make it -EPROTO, so does a packet
 * longer than @size. 0 at the end of the stream (or for an empty packet: treat it the same).
 */
ssize_t plx_sys_recv(int fd, void *buf, size_t size) plx_must_check;

/**
 * One packet with exactly @want descriptors, or with none: *@got says which.
 *
 * Any other number, cut control data, a cut or an empty packet with descriptors: everything that came is closed, and
 * the answer is -EPROTO. They arrive close-on-exec. Owner: the caller, when *@got == @want.
 */
ssize_t plx_sys_recv_fds(int fd, void *buf, size_t size, int *fds, unsigned int want,
			 unsigned int *got) plx_must_check;

/** Who made the other end, as the kernel has it. */
struct plx_sys_cred {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};
int plx_sys_peer_cred(int fd, struct plx_sys_cred *cred) plx_must_check;
/** Was it in one of these groups, as a supplementary one? 1 or 0; -ENOMEM. May allocate. */
int plx_sys_peer_groups(int fd, const uint32_t *groups, uint32_t count) plx_must_check;

/**
 * A pidfd of the process that made the other end. SO_PEERPIDFD where there is one (6.5); else pidfd_open() of its pid,
 * and -ESRCH unless the connection still lives afterwards (the pid had not been given to somebody else meanwhile,
 * as long as the peer, and nobody it forked, holds that socket).
 */
int plx_sys_peer_pidfd(int fd) plx_must_check;
/** The pending error of a socket as -errno; 0 when there is none. */
int plx_sys_socket_error(int fd) plx_must_check;
/** From now on nobody can send us descriptors over @fd (6.16; -ENOPROTOOPT before: recv drops them anyway). */
int plx_sys_refuse_fds(int fd) plx_must_check;
/**
 * Is a SEQPACKET socket with that name bound by somebody alive? 1 or 0; -ENOENT and so on. Nobody notices the question:
 * a stream socket that tries to connect is told that the type differs, before the other end hears of it.
 */
int plx_sys_bound(int dir, const char *name) plx_must_check;
/** One datagram to a socket by its path; '@' in front: an abstract name. For the service manager. */
int plx_sys_tell(const char *path, const void *buf, size_t size) plx_must_check;
/** Nothing comes or goes over the connection any more; both ends see a hang-up, also when a child of fork() still
 * holds a copy of @fd. The descriptor stays the caller's. */
void plx_sys_shutdown(int fd);
int plx_sys_send_buffer(int fd, int bytes) plx_must_check;

/* ---- waiting (sys_wait.c) ---------------------------------------------------------------------- */

/* Timeouts are nanoseconds, UINT64_MAX for ever. -EINTR is returned, never swallowed. */
int plx_sys_poll(struct pollfd *fds, unsigned int n, uint64_t timeout_ns,
		 const sigset_t *mask) plx_must_check;
int plx_sys_epoll(void) plx_must_check;
int plx_sys_epoll_add(int epoll, int fd, uint32_t events, uint64_t data) plx_must_check;
int plx_sys_epoll_mod(int epoll, int fd, uint32_t events, uint64_t data) plx_must_check;
void plx_sys_epoll_del(int epoll, int fd);
/** Rounds the timeout up to milliseconds. */
int plx_sys_epoll_wait(int epoll, struct epoll_event *events, int n, uint64_t timeout_ns) plx_must_check;
/** To the nanosecond, with the signals of @mask blocked meanwhile (NULL: as they are). */
int plx_sys_epoll_pwait(int epoll, struct epoll_event *events, int n, uint64_t timeout_ns,
			const sigset_t *mask) plx_must_check;
/** Non-blocking, close-on-exec; private to a process: see docs/decisions about eventfds and strangers. */
int plx_sys_eventfd(void) plx_must_check;
/** A pipe, both ends non-blocking, close-on-exec: to read from, to write to. */
int plx_sys_pipe(int ends[2]) plx_must_check;
/** Let somebody else have this processor, if anybody wants it. */
void plx_sys_yield(void);

/** A timer of CLOCK_MONOTONIC, non-blocking, close-on-exec: readable from @at_ns on; 0: never. */
int plx_sys_timer(void) plx_must_check;
int plx_sys_timer_set(int timer, uint64_t at_ns) plx_must_check;

/** Non-blocking inotify descriptor; @path may be /proc/self/fd/N. Returns the watch. */
int plx_sys_inotify(void) plx_must_check;
int plx_sys_inotify_add(int inotify, const char *path, uint32_t mask) plx_must_check;
void plx_sys_inotify_del(int inotify, int watch);

/**
 * FUTEX_WAIT and FUTEX_WAKE, shared. The word may lie in a read-only map.
 * Wait returns 0 (woken), -EAGAIN (the word differs), -ETIMEDOUT, -EINTR.
 */
int plx_sys_futex_wait(const uint32_t *word, uint32_t value, uint64_t timeout_ns) plx_must_check;
int plx_sys_futex_wake(uint32_t *word, int count);
/** Wait for either of two words (5.16): as above, -ENOSYS where there is no such call. */
int plx_sys_futex_wait2(const uint32_t *word, uint32_t value, const uint32_t *other, uint32_t other_value,
			uint64_t timeout_ns) plx_must_check;

/** Wait for any of @n words, at most PLX_SYS_FUTEXES_MAX: as plx_sys_futex_wait2(). */
int plx_sys_futex_waitv(const uint32_t *const *words, const uint32_t *values, unsigned int n,
			uint64_t timeout_ns) plx_must_check;
#define PLX_SYS_FUTEXES_MAX 128u

/*
 * The far half of an asymmetric fence: as if every running thread of this process (PRIVATE) or of every process that
 * registered (GLOBAL) had executed a full fence between our call and our return.
 */
enum plx_sys_barrier {
	PLX_SYS_BARRIER_PRIVATE = 1,
	PLX_SYS_BARRIER_GLOBAL = 2,
};
/** Which of them this kernel has: a set of the bits above; 0 when none. */
unsigned int plx_sys_barriers(void);
/** PRIVATE: this process will call it. GLOBAL: this process wants to be reached by others. */
int plx_sys_barrier_register(enum plx_sys_barrier which) plx_must_check;
int plx_sys_barrier(enum plx_sys_barrier which) plx_must_check;

/* ---- processes, threads, signals (sys_task.c) ---------------------------------------------------- */

/** fork(); the parent gets the pid and a pidfd, the child 0 and -1. */
pid_t plx_sys_fork(int *pidfd) plx_must_check;
int plx_sys_pidfd_open(pid_t pid) plx_must_check;
int plx_sys_pidfd_kill(int pidfd, int signal) plx_must_check;
/** waitid(P_PIDFD); @options WEXITED and so on. info->si_pid 0 when WNOHANG found nothing. Repeats after EINTR. */
int plx_sys_wait(int pidfd, siginfo_t *info, int options) plx_must_check;
/** Who we are; cannot fail. The effective user: the one the kernel vouches for to peers. */
pid_t plx_sys_pid(void);
pid_t plx_sys_parent(void);
/** The calling thread, as the kernel numbers it. */
pid_t plx_sys_tid(void);
uid_t plx_sys_uid(void);
/** End this process now: no handlers of the program's, no flushing. */
void plx_sys_exit(int code) __attribute__((noreturn));
/** The kernel sends @signal to us when the thread that forked us dies. */
int plx_sys_death_signal(int signal) plx_must_check;
/** The name of the calling thread: ps, /proc/PID/comm; the first 15 bytes. */
int plx_sys_set_name(const char *name) plx_must_check;
/** false: no core dumps, and same-uid strangers may not look into our memory. */
int plx_sys_dumpable(bool on) plx_must_check;

/** A thread with every signal blocked, so that handlers run in the caller's own threads. */
int plx_sys_thread(pthread_t *thread, void *(*run)(void *), void *arg) plx_must_check;
/** Wait for the end of a thread. */
void plx_sys_join(pthread_t thread);
int plx_sys_sigaction(int signal, const struct sigaction *action, struct sigaction *old) plx_must_check;
/** @how SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK; of the calling thread. @set NULL: every signal. */
int plx_sys_sigmask(int how, const sigset_t *set, sigset_t *old) plx_must_check;
/** Put back what plx_sys_sigmask() gave as @old; cannot fail. */
void plx_sys_sigmask_restore(const sigset_t *old);
/** Every signal as the kernel has it by default, but @ignored ignored; none blocked. For a child just forked. */
void plx_sys_default_signals(int ignored);
/** From now on @signal does nothing to this process. */
void plx_sys_ignore_signal(int signal);
/** Die of @signal, as if there were no handler; from inside its handler, when that returns. */
void plx_sys_die_of(int signal);
/** stdin becomes /dev/null. */
int plx_sys_null_stdin(void) plx_must_check;
/** What stdio still holds goes out: before a fork, or both sides would write it. */
void plx_sys_flush(void);

/** @size random bytes, at most 256; may wait for the machine's first entropy at boot. */
int plx_sys_random(void *buf, size_t size) plx_must_check;
/** CLOCK_REALTIME, nanoseconds: for people; durations come from plx_now_ns(). */
uint64_t plx_sys_wall_ns(void);
/** CLOCK_BOOTTIME, nanoseconds: the clock of start times in /proc/PID/stat. */
uint64_t plx_sys_boot_ns(void);

/* ---- holding doors shut (sys.c) ---------------------------------------------------------------- */

/*
 * Called by each door before its system call: 0, or the -errno to return instead. The second one is for doors that
 * release something and cannot fail: they are counted only when dying. Both do nothing without -DPLX_FAULT.
 */
int plx_sys_gate(const char *door, int error);
void plx_sys_gate_release(const char *door);
/* true when a door shall behave as on Linux 6.1 */
bool plx_sys_gate_old(void);

#ifndef __cplusplus
/*
 * Only in objects built with -DPLX_FAULT. Doors are numbered from 0 as they are used; plx_fault_seen is the next number.
 * A loop over plx_fault_at ends when plx_fault_seen <= plx_fault_at: nothing failed, all doors were walked.
 */
extern _Atomic int plx_fault_at;    /* fail this one; -1: none */
extern _Atomic int plx_fault_seen;  /* doors used so far */
extern _Atomic int plx_fault_error; /* errno to fail with; 0: the one usual for that door */
extern _Atomic int plx_fault_kill; /* 1: die there (SIGKILL) rather than fail; doors that release count too */
extern _Atomic int plx_fault_old;  /* 1: pretend to be Linux 6.1 */
extern _Atomic int plx_fault_huge; /* 1: every file looks as if it were of huge pages of 2 MiB */
/* count only doors of this name (that of the function without plx_sys_); NULL: all. Set it while one thread runs. */
extern const char *plx_fault_door;
/* the name of the door that failed last; NULL: none did */
extern const char *plx_fault_failed;
/* called at each door this thread comes to, with its name: what another process does at that moment; NULL: nothing */
extern _Thread_local void (*plx_fault_hook)(const char *door);
#endif

#endif
