/* test_seat.c - who is taken for dead, and who is not. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <plx/spsc.h>

#include "tests/libshm/chan/both.h"

/* Another thread than the first one of its process sits there. */
static void *sit(void *arg)
{
	struct made *m = arg;
	struct plx_spsc_sender tx;
	uint64_t number = 7;

	if (plx_spsc_sender_open(&tx, m->at, m->room, 0) != 0 || !plx_spsc_try_send(&tx, &number))
		_exit(1);
	for (;;)
		pause();
	return NULL;
}

static void a_process_whose_first_thread_has_ended_is_alive(void **state)
{
	struct made m = make((struct plx_channel_shape){ .kind = PLX_CHANNEL_SPSC, .size = 8 });
	struct plx_spsc_receiver rx;
	char path[64], stat[256] = "";
	uint64_t number = 0;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pthread_t thread;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pthread_create(&thread, NULL, sit, &m) != 0)
			_exit(1);
		pthread_exit(NULL);
	}
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_spsc_recv(&rx, &number, SECONDS(20)), 0);
	assert_int_equal(number, 7);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < 2000 && !strstr(stat, ") Z");
	     i++) { /* the kernel shows it as it shows the dead */
		FILE *file = fopen(path, "r");

		assert_non_null(file);
		assert_true(fread(stat, 1, sizeof(stat) - 1, file) > 0);
		fclose(file);
		sleep_ms(1);
	}
	assert_non_null(strstr(stat, ") Z"));
	assert_int_equal(plx_channel_bury(m.at, 0), 0);

	kill(pid, SIGKILL);
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT),
			 0); /* dead, and nobody has asked yet */
	assert_int_equal(plx_channel_bury(m.at, 0), 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	plx_spsc_receiver_leave(&rx);
	drop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_whose_first_thread_has_ended_is_alive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
