/* liar.c - raw bytes over a publisher's socket. */
#include "tests/support/liar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <plx/subscriber.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

int liar_connect(const struct plx_place *place, size_t index)
{
	struct plx_sightings list;
	int fd = -1;
	size_t i;

	if (plx_place_list(place, &list) < 0)
		return -1;
	for (i = 0; i < list.count; i++) {
		if (index == 0 && plx_place_connect(place, &list.items[i], &fd) == 0)
			break;
		index -= index > 0;
	}
	plx_sightings_free(&list);
	return fd;
}

int liar_send_list(int fd, const void *bytes, size_t size, const int *list, unsigned int n)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(LIAR_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { (void *)(uintptr_t)bytes, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.align), list, n * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int liar_send(int fd, const void *bytes, size_t size, int passed, unsigned int n)
{
	int list[LIAR_FDS_MAX];
	unsigned int i;

	for (i = 0; i < n; i++)
		list[i] = passed;
	return liar_send_list(fd, bytes, size, list, n);
}

ssize_t liar_recv(int fd, void *bytes, size_t size, int fds[PLX_GRANT_FDS], int ms)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(PLX_GRANT_FDS * sizeof(int))];
	} control;
	struct iovec iov = { bytes, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	for (int i = 0; i < PLX_GRANT_FDS; i++)
		fds[i] = -1;
	if (poll(&p, 1, ms) <= 0)
		return -EAGAIN;
	msg.msg_control = control.room;
	msg.msg_controllen = sizeof(control.room);
	n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (CMSG_FIRSTHDR(&msg) && CMSG_FIRSTHDR(&msg)->cmsg_len == CMSG_LEN(PLX_GRANT_FDS * sizeof(int)))
		memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), PLX_GRANT_FDS * sizeof(int));
	return n;
}

uint32_t liar_hello(unsigned char *bytes, const char *topic, bool lossy)
{
	struct plx_terms terms = { .version_min = 1,
				   .version_max = 1,
				   .reading = lossy ? PLX_READ_LOSSY : PLX_READ_RELIABLE };

	snprintf(terms.topic, sizeof(terms.topic), "%s", topic);
	return plx_hello_encode(bytes, &terms);
}

int liar_join(struct liar_grant *g, const struct plx_place *place, bool lossy)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_refusal refusal;
	int fds[PLX_GRANT_FDS], ret;
	ssize_t n;

	*g = (struct liar_grant){ .fd = liar_connect(place, 0),
				  .data = PLX_SEGMENT_NONE,
				  .link = PLX_SEGMENT_NONE };
	if (g->fd < 0)
		return -ENOENT;
	ret = liar_send(g->fd, bytes, liar_hello(bytes, place->topic, lossy), -1, 0);
	if (ret < 0)
		goto fail;
	n = liar_recv(g->fd, bytes, sizeof(bytes), fds, 5000);
	if (fds[PLX_GRANT_FD_ALARM] >= 0)
		close(fds[PLX_GRANT_FD_ALARM]);
	ret = n <= 0 ? -EPIPE : plx_grant_decode(&g->grant, bytes, (size_t)n);
	if (n > 0 && ret < 0 && plx_refuse_decode(&refusal, bytes, (size_t)n) == 0)
		ret = -refusal.error;
	if (ret == 0)
		ret = plx_segment_attach(&g->data, fds[0], 0, PLX_KIND_TOPIC, 0);
	if (ret == 0)
		ret = plx_segment_attach(&g->link, fds[1], 0, PLX_KIND_LINK, PLX_ATTACH_WRITE);
	if (ret == 0)
		return 0;
	if (g->data.base == NULL && fds[0] >= 0)
		close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
fail:
	liar_leave(g);
	return ret;
}

void liar_leave(struct liar_grant *g)
{
	plx_segment_close(&g->data);
	plx_segment_close(&g->link);
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
}

int fds_of(pid_t pid)
{
	char path[64];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

int maps_of(pid_t pid, const char *needle)
{
	char line[1024];
	FILE *maps;
	int n = 0;

	snprintf(line, sizeof(line), "/proc/%d/maps", (int)pid);
	maps = fopen(line, "re");
	if (!maps)
		return -1;
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, needle) != NULL;
	fclose(maps);
	return n;
}

bool child_alive(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

void die_as_others_do(unsigned int seconds)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

	for (size_t i = 0; i < COUNT_OF(signals); i++)
		signal(signals[i], SIG_DFL);
	alarm(seconds);
}

int child_end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "the liar cannot: %s: %s\n", what, strerror(errno));
	_exit(1);
}

uint64_t noise(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}
