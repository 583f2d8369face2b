/* event.c - workers say what happened; whoever listens hears of it, however often and however late it looks. */
#include <plx/plx.h>
#include <stdio.h>
#include <unistd.h>

enum { FILE_DONE, DISK_FULL, ALL_DONE };

static int work(void)
{
	struct plx_event_notifier *notifier;

	if (plx_event_notifier_open(&notifier, "work", NULL) < 0 ||
	    plx_event_notifier_wait(notifier, 1, UINT64_MAX) < 0)
		return 1;
	for (int i = 0; i < 1000; i++)
		if (plx_event_notify(notifier, FILE_DONE) < 0)
			return 1;
	if (plx_event_notify(notifier, ALL_DONE) < 0)
		return 1;
	plx_event_notifier_close(notifier);
	return 0;
}

int main(void)
{
	struct plx_event_listener *listener;

	if (plx_event_listener_open(&listener, "work", NULL) < 0)
		return 1;
	for (int i = 0; i < 2; i++)
		if (fork() == 0)
			return work();
	while (plx_event_count(listener, ALL_DONE) < 2)
		if (plx_event_wait(listener, PLX_EVENT_BIT(ALL_DONE), UINT64_MAX, NULL) < 0)
			return 1;
	printf("%d files\n", (int)plx_event_count(listener, FILE_DONE));
	printf("disk full: %s\n", plx_event_take(listener, PLX_EVENT_BIT(DISK_FULL)) ? "yes" : "no");
	plx_event_listener_close(listener);
	return 0;
}
