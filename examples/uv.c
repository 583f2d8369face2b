/*
 * uv.c - a subscriber in a libuv loop, beside a timer of libuv's.
 *
 *	cc uv.c $(pkg-config --cflags --libs libshm libuv)
 *
 * uv_poll is level-triggered and so is plx_subscriber_fd(). Before the loop may sleep, plx_subscriber_arm() has to say so;
 * an idle handle keeps the loop awake while it does not.
 */
#include <plx/plx.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

static struct plx_subscriber *sub;
static int sum, ticks;
static uv_poll_t poll_handle;
static uv_prepare_t prepare;
static uv_idle_t awake;
static uv_timer_t timer;

static int publish(void)
{
	struct plx_publisher *pub;

	if (plx_publisher_open(&pub, "uv", NULL) < 0 ||
	    plx_publisher_wait_subscribers(pub, 1, UINT64_MAX) < 0)
		return 1;
	for (int i = 1; i <= 10; i++) {
		usleep(2000);
		if (plx_publisher_send(pub, &i, sizeof(i)) < 0)
			return 1;
	}
	plx_publisher_end(pub, 0);
	if (plx_publisher_drain(pub, UINT64_MAX) < 0)
		return 1;
	plx_publisher_close(pub);
	return 0;
}

/* All there is; at the end of the stream the loop ends. */
static void take_all(void)
{
	struct plx_buffer b;
	int ret;

	while ((ret = plx_subscriber_take(sub, &b)) == 1) {
		sum += *(const int *)b.data;
		plx_buffer_release(&b);
	}
	if (ret < 0)
		uv_stop(uv_default_loop());
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	(void)handle, (void)status, (void)events;
	take_all();
}

static void on_idle(uv_idle_t *handle)
{
	(void)handle;
	take_all();
}

/* The loop is about to sleep: may it? An active idle handle makes it look without sleeping. */
static void on_prepare(uv_prepare_t *handle)
{
	(void)handle;
	if (plx_subscriber_arm(sub))
		uv_idle_stop(&awake);
	else
		uv_idle_start(&awake, on_idle);
}

static void on_timer(uv_timer_t *handle)
{
	(void)handle;
	ticks++;
}

int main(void)
{
	uv_loop_t *loop = uv_default_loop();

	if (fork() == 0)
		return publish();
	if (plx_subscriber_open(&sub, "uv", NULL) < 0)
		return 1;
	uv_poll_init(loop, &poll_handle, plx_subscriber_fd(sub));
	uv_poll_start(&poll_handle, UV_READABLE, on_readable);
	uv_prepare_init(loop, &prepare);
	uv_prepare_start(&prepare, on_prepare);
	uv_idle_init(loop, &awake);
	uv_timer_init(loop, &timer);
	uv_timer_start(&timer, on_timer, 3, 3);
	uv_run(loop, UV_RUN_DEFAULT);
	printf("sum %d\n", sum);
	printf("the timer was heard: %s\n", ticks > 0 ? "yes" : "no");
	plx_subscriber_close(sub);
	return 0;
}
