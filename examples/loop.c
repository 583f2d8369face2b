/*
 * loop.c - a subscriber in a program that has an event loop of its own, here epoll with a timer beside it.
 *
 *	take all there is -> plx_subscriber_arm() -> epoll_wait(): messages, ends, newcomers and deadlines make
 *	plx_subscriber_fd() readable, and only after arm said that it is fine to sleep
 */
#include <plx/plx.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int publish(void)
{
	struct plx_publisher *pub;

	if (plx_publisher_open(&pub, "loop", NULL) < 0 ||
	    plx_publisher_wait_subscribers(pub, 1, UINT64_MAX) < 0)
		return 1;
	for (int i = 1; i <= 10; i++) {
		usleep(2000); /* long enough to fall asleep */
		if (plx_publisher_send(pub, &i, sizeof(i)) < 0)
			return 1;
	}
	plx_publisher_end(pub, 0);
	if (plx_publisher_drain(pub, UINT64_MAX) < 0)
		return 1;
	plx_publisher_close(pub);
	return 0;
}

/* All there is; false when the stream has ended. */
static bool take_all(struct plx_subscriber *sub, int *sum)
{
	struct plx_buffer b;
	int ret;

	while ((ret = plx_subscriber_take(sub, &b)) == 1) {
		*sum += *(const int *)b.data;
		plx_buffer_release(&b);
	}
	return ret >= 0;
}

int main(void)
{
	struct itimerspec often = { { 0, 3000000 }, { 0, 3000000 } };
	struct epoll_event event = { .events = EPOLLIN };
	struct plx_subscriber *sub;
	int loop, timer, sum = 0, ticks = 0;
	bool open = true;

	if (fork() == 0)
		return publish();
	if (plx_subscriber_open(&sub, "loop", NULL) < 0)
		return 1;
	loop = epoll_create1(EPOLL_CLOEXEC);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	event.data.fd = plx_subscriber_fd(sub);
	if (epoll_ctl(loop, EPOLL_CTL_ADD, event.data.fd, &event) < 0)
		return 1;
	event.data.fd = timer;
	if (epoll_ctl(loop, EPOLL_CTL_ADD, timer, &event) < 0 || timerfd_settime(timer, 0, &often, NULL) < 0)
		return 1;
	while (open) {
		uint64_t times;

		/* arm, then sleep; when it says no there is something to take already */
		if (plx_subscriber_arm(sub) && epoll_wait(loop, &event, 1, -1) == 1 && event.data.fd == timer)
			ticks += read(timer, &times, sizeof(times)) == sizeof(times);
		open = take_all(sub, &sum);
	}
	printf("sum %d\n", sum);
	printf("the timer was heard: %s\n", ticks > 0 ? "yes" : "no");
	plx_subscriber_close(sub);
	return 0;
}
