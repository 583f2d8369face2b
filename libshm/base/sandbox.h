/* sandbox.h - give rights away for ever: what a process that only computes has no need for. */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <plx/common.h>

/**
 * plx_sandbox_enter() - from now on this thread, its threads and children may not do what @flags name.
 * @flags: PLX_SANDBOX_... of <plx/worker.h>
 *
 * Return: 0, -EINVAL, -ENOSYS or -EOPNOTSUPP (the kernel has no seccomp, or no Landlock), -ENOMEM, -EPERM. After an error some of it
 *         may hold already.
 */
int plx_sandbox_enter(uint32_t flags) plx_must_check;

#endif
