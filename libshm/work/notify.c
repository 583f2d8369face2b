/* notify.c - what the service manager wants to know, in its own words (sd_notify(3)), without its library. */
#include <plx/supervise.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

int plx_notify(const char *state)
{
	const char *path = secure_getenv("NOTIFY_SOCKET");
	int ret;

	if (!path)
		return 0;
	if (path[0] != '/' && path[0] != '@')
		return -EINVAL;
	ret = plx_sys_tell(path, state, strlen(state));
	return ret < 0 ? ret : 1;
}

uint64_t plx_watchdog_ns(void)
{
	const char *usec = secure_getenv("WATCHDOG_USEC"), *pid = secure_getenv("WATCHDOG_PID");

	if (!usec || (pid && strtoull(pid, NULL, 10) != (unsigned long long)plx_sys_pid()))
		return 0;
	return strtoull(usec, NULL, 10) * 1000;
}
