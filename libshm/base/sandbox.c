/*
 * sandbox.c - seccomp (libseccomp) for what is a system call, Landlock for what is a file. Both ask for no privilege.
 *
 * A refused call fails with EPERM (EACCES for files), so that a program that can do without goes on; nobody is killed.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <plx/worker.h>

#include "base/sys.h"

#define FILES_V1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* what every Landlock knows */

static const int exec_calls[] = { SCMP_SYS(execve), SCMP_SYS(execveat) };

/* What only administrators do, and who looks into other processes. */
static const int admin_calls[] = {
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(acct),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(quotactl),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setgroups),
};

static int refuse(scmp_filter_ctx filter, const int *calls, size_t n)
{
	int ret = 0;

	for (size_t i = 0; i < n && ret == 0; i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
	return ret;
}

/* Threads are made by clone() with CLONE_THREAD; clone3() hides its flags, and libc does without it when there is none. */
static int refuse_processes(scmp_filter_ctx filter)
{
	static const int calls[] = { SCMP_SYS(fork), SCMP_SYS(vfork) };
	int ret = refuse(filter, calls, 2);

	if (ret == 0)
		ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (ret == 0)
		ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	return ret;
}

static int refuse_network(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp not_local = { .arg = 0, .op = SCMP_CMP_NE, .datum_a = AF_UNIX };

	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, &not_local);
}

static int filter_calls(uint32_t flags)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int ret = filter ? 0 : -ENOMEM;

	if (ret == 0 && flags & PLX_SANDBOX_NO_EXEC)
		ret = refuse(filter, exec_calls, sizeof(exec_calls) / sizeof(exec_calls[0]));
	if (ret == 0 && flags & PLX_SANDBOX_NO_ADMIN)
		ret = refuse(filter, admin_calls, sizeof(admin_calls) / sizeof(admin_calls[0]));
	if (ret == 0 && flags & PLX_SANDBOX_NO_PROCESSES)
		ret = refuse_processes(filter);
	if (ret == 0 && flags & PLX_SANDBOX_NO_NETWORK)
		ret = refuse_network(filter);
	if (ret == 0)
		ret = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return ret;
}

/* A ruleset that handles every right and grants none: what is open stays open, nothing else can be opened or made. */
static int forbid_files(void)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = FILES_V1 };
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0), ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

int plx_sandbox_enter(uint32_t flags)
{
	int ret = plx_sys_gate("sandbox", ENOSYS);

	if (ret < 0)
		return ret;
	if (flags & ~PLX_SANDBOX_ALL)
		return -EINVAL;
	if (flags == 0)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (flags & PLX_SANDBOX_NO_FILES)
		ret = forbid_files();
	if (ret == 0 && flags & ~(PLX_SANDBOX_NO_NEW_PRIVILEGES | PLX_SANDBOX_NO_FILES))
		ret = filter_calls(flags);
	return ret;
}
