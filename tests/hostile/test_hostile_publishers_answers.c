/*
 * test_hostile_publishers_answers.c - a liar answers a subscriber that comes with anything but a grant. Timeout: 120
 *
 * And what it can leave in the directory where publishers are found. See support/audience.h.
 */
#include "tests/hostile/support/audience.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

/* ---- attacks: the answer --------------------------------------------------------------------------------------- */

static void never_answers(void)
{
	appear_as(any());
}

static void accepts_and_says_nothing_stopped(void)
{
	appear_as(any());
	raise(SIGSTOP);
}

static void hangs_up(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	appear_as(any());
	for (;;)
		close(next_guest(bytes));
}

static void answers_with_garbage(void)
{
	answer_with("SSH-2.0-OpenSSH_9.2", 19, -1, 0);
}

static void answers_with_a_wake_byte(void)
{
	answer_with("", 1, -1, 0);
}

static void answers_with_an_echo(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	answer_with(bytes, liar_hello(bytes, PRETENDER_TOPIC, true), -1, 0);
}

static void answers_with_too_much(void)
{
	static unsigned char bytes[100000];

	answer_with(bytes, sizeof(bytes), -1, 0);
}

static void answers_with_253_descriptors(void)
{
	answer_with("x", 1, STDERR_FILENO, 253);
}

static void asks_for_a_key(void)
{
	struct plx_handshake_header header = { PLX_HANDSHAKE_MAGIC, PLX_HANDSHAKE_CHALLENGE, 1,
					       sizeof(header), 0 };

	answer_with(&header, sizeof(header), -1, 0);
}

static void refuse_with(int error, const char *text, unsigned int fds)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_refusal refusal = { .error = 1, .version_min = 1, .version_max = 1 };
	uint32_t size = plx_refuse_encode(bytes, &refusal);

	memcpy(bytes + offsetof(struct plx_handshake_refuse, error), &error, 4);
	memcpy(bytes + offsetof(struct plx_handshake_refuse, text), text, strlen(text));
	answer_with(bytes, size, STDERR_FILENO, fds);
}

static void refuses_in_good_form(void)
{
	refuse_with(EACCES, "not you", 0);
}

static void refuses_with_colours(void)
{
	refuse_with(EACCES, "\x1b[31mnot you\x1b[0m", 0);
}

static void refuses_for_no_reason(void)
{
	refuse_with(0, "", 0);
}

static void refuses_with_descriptors(void)
{
	refuse_with(EACCES, "not you", PLX_GRANT_FDS);
}

/* ---- attacks: the directory ------------------------------------------------------------------------------------ */

static char *in_directory(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/hostile+publishers/%s", crowd.dir, name);
	return path;
}

static void odd_things_in_the_directory(void)
{
	int fd;

	MUST(mkfifo(in_directory("1-0000000000000001.tmp"), 0600) == 0);
	MUST(rename(in_directory("1-0000000000000001.tmp"), "/dev/null/x") < 0);
	MUST(mkfifo(in_directory("1-0000000000000001.sock"), 0600) == 0);
	MUST(mkdir(in_directory("1-0000000000000002.sock"), 0700) == 0);
	MUST(symlink("/dev/zero", in_directory("1-0000000000000003.sock")) == 0);
	MUST(symlink("1-0000000000000004.sock", in_directory("1-0000000000000004.sock")) == 0);
	fd = open(in_directory("1-0000000000000005.sock"), O_CREAT | O_WRONLY, 0600);
	MUST(fd >= 0);
	appear_as(any()); /* so that they look */
	plx_listener_close(&fake.listener, &crowd.place);
}

static void a_thousand_dead_sockets(void)
{
	char name[48];
	int i, fd, dir = plx_place_dir(&crowd.place, false);

	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "1-%016x.sock", i + 1);
		fd = plx_sys_socket();
		MUST(plx_sys_bind(fd, dir, name) == 0);
		close(fd);
	}
	appear_as(any());
	plx_listener_close(&fake.listener, &crowd.place);
}

static void appears_and_disappears(void)
{
	for (;;) {
		appear_as(any());
		plx_listener_close(&fake.listener, &crowd.place);
	}
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

static const struct attack ATTACKS[] = {
	ATTACK(never_answers, REFUSED, -ETIMEDOUT),
	ATTACK(accepts_and_says_nothing_stopped, REFUSED, -ETIMEDOUT),
	ATTACK(hangs_up, REFUSED, -EPIPE),
	ATTACK(answers_with_garbage, REFUSED, -EPROTO),
	ATTACK(answers_with_a_wake_byte, REFUSED, -EPROTO),
	ATTACK(answers_with_an_echo, REFUSED, -EPROTO),
	ATTACK(answers_with_too_much, REFUSED, -EBADMSG),
	ATTACK(answers_with_253_descriptors, REFUSED, -EBADMSG),
	ATTACK(asks_for_a_key, REFUSED, -EKEYREJECTED),
	ATTACK(refuses_in_good_form, REFUSED, -EACCES),
	ATTACK(refuses_with_colours, REFUSED, -EBADMSG),
	ATTACK(refuses_for_no_reason, REFUSED, -EBADMSG),
	ATTACK(refuses_with_descriptors, REFUSED, -EPROTO),

	ATTACK(odd_things_in_the_directory, SURVIVE, 0),
	ATTACK(a_thousand_dead_sockets, SURVIVE, 0),
	ATTACK(appears_and_disappears, SURVIVE, 0),
};

int main(void)
{
	return AUDIENCE_RUN("hostile publishers: answers", ATTACKS);
}
