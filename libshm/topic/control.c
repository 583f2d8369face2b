/*
 * control.c - the publisher's second thread: who knocks, who speaks, who is gone.
 *
 * It sleeps in epoll and is woken by: the listening socket, a client's socket, a client's pidfd, the bell that ends it. The
 * data path never waits for it, except for the moment in which somebody joins or parts. Signals go to other threads.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/sys.h"
#include "topic/publisher_state.h"

#define EVENTS   64
#define ACCEPTS  16 /* clients let in before others get their turn */
#define DEAF_NS  UINT64_C(50000000)
#define TAG_MASK ((uintptr_t)3)

/* Those who wait, without a descriptor for them. */
static void turn_away_some(struct plx_publisher *pub, int error)
{
	for (int i = 0; i < ACCEPTS && pub->spare >= 0; i++) {
		int fd, ret;

		plx_sys_close(pub->spare);
		ret = plx_listener_accept(&pub->listener, &fd);
		if (ret == 0)
			plx_member_turn_away(pub, fd, error);
		pub->spare = plx_sys_eventfd(); /* somebody else may be faster: then we are only deaf */
		if (ret < 0)
			return;
	}
}

/* Out of descriptors: the kernel would tell us for ever that somebody knocks. */
static void go_deaf(struct plx_publisher *pub)
{
	if (plx_sys_epoll_mod(pub->epoll, pub->listener.fd, 0, PLX_CONTROL_LISTENER) < 0)
		return;
	pub->deaf = true;
	pub->hear_ns = plx_now_ns() + DEAF_NS;
}

static void hear_again(struct plx_publisher *pub, uint64_t now_ns)
{
	if (pub->deaf && pub->hear_ns <= now_ns &&
	    plx_sys_epoll_mod(pub->epoll, pub->listener.fd, EPOLLIN, PLX_CONTROL_LISTENER) == 0)
		pub->deaf = false;
}

static void accept_some(struct plx_publisher *pub)
{
	for (int i = 0; i < ACCEPTS; i++) {
		int fd, ret = plx_listener_accept(&pub->listener, &fd);

		if (ret == -EAGAIN)
			return;
		if (ret < 0) {
			if (ret == -EMFILE || ret == -ENFILE)
				turn_away_some(pub, ret);
			go_deaf(pub);
			return;
		}
		plx_member_accept(pub, fd);
	}
}

static void handle(struct plx_publisher *pub, const struct epoll_event *event)
{
	uintptr_t data = (uintptr_t)event->data.u64;
	struct plx_member *m = (struct plx_member *)(data & ~TAG_MASK);

	switch (data & TAG_MASK) {
	case PLX_CONTROL_LISTENER: accept_some(pub); break;
	case PLX_CONTROL_SOCKET:
		if (!m->dead)
			plx_member_input(m); /* a hang-up comes as the end of what there is to read */
		break;
	case PLX_CONTROL_PIDFD: plx_member_leave(m); break;
	default: break;
	}
}

static bool stopping(const struct plx_publisher *pub)
{
	/* acquire: pairs with the release in plx_control_stop() */
	return __atomic_load_n(&pub->stop, __ATOMIC_ACQUIRE);
}

static void *control(void *arg)
{
	struct plx_publisher *pub = arg;
	struct epoll_event events[EVENTS];

	(void)!plx_sys_set_name("plx-control");
	while (!stopping(pub)) {
		uint64_t now = plx_now_ns(), wait = plx_member_expire(pub, now);
		int n;

		plx_member_bury(pub);
		hear_again(pub, now);
		if (pub->deaf && pub->hear_ns - now < wait)
			wait = pub->hear_ns - now;
		n = plx_sys_epoll_wait(pub->epoll, events, EVENTS, wait);
		for (int i = 0; i < n; i++)
			handle(pub, &events[i]);
		plx_member_bury(pub);
	}
	return NULL;
}

int plx_control_start(struct plx_publisher *pub)
{
	int ret = pub->epoll = plx_sys_epoll();

	if (ret < 0)
		return ret;
	ret = pub->bell = plx_sys_eventfd();
	if (ret < 0)
		return ret;
	ret = pub->spare = plx_sys_eventfd();
	if (ret < 0)
		return ret;
	ret = plx_sys_epoll_add(pub->epoll, pub->bell, EPOLLIN, PLX_CONTROL_BELL);
	if (ret < 0)
		return ret;
	ret = plx_sys_epoll_add(pub->epoll, pub->listener.fd, EPOLLIN, PLX_CONTROL_LISTENER);
	if (ret < 0)
		return ret;
	ret = plx_sys_thread(&pub->control, control, pub);
	pub->controlled = ret == 0;
	return ret;
}

void plx_control_stop(struct plx_publisher *pub)
{
	uint64_t one = 1;

	if (pub->controlled) {
		/* release: pairs with stopping() */
		__atomic_store_n(&pub->stop, true, __ATOMIC_RELEASE);
		if (plx_sys_write(pub->bell, &one, sizeof(one)) < 0) /* again: nobody else would wake it */
			(void)!plx_sys_write(pub->bell, &one, sizeof(one));
		plx_sys_join(pub->control);
		pub->controlled = false;
	}
	while (pub->member_count)
		plx_member_leave(pub->members[pub->member_count - 1]);
	plx_member_bury(pub);
	plx_sys_close(pub->spare);
	plx_sys_close(pub->bell);
	plx_sys_close(pub->epoll);
	pub->spare = pub->bell = pub->epoll = -1;
}
