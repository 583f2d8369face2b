/* support.h - what several test programs need: counting what a process holds, and doing things in a child. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Open descriptors of this process, whatever they are. */
int count_open_fds(void);

/* Maps of this process whose line in /proc/self/maps contains @needle. */
int count_maps(const char *needle);

/*
 * fork(); the child exits with what @run returns (0 is success). Returns the exit code, or -SIGNAL when one ended it; a
 * child that hangs ends by SIGALRM after two minutes. The child must not use cmocka's assertions but CHECK().
 */
int run_in_child(int (*run)(void *arg), void *arg);

/*
 * A child that runs @work, says so to us, and then waits to be stopped; it does not outlive us. It must not use cmocka's
 * assertions but _exit(): then we fail.
 */
pid_t child_at_work(void (*work)(void *arg), void *arg);
/* Kill it, and wait until it is gone. */
void child_stop(pid_t pid);

/* In a child: say what does not hold, and return 1 from the function. */
#define CHECK(what)                                                                                          \
	do {                                                                                                 \
		if (!(what)) {                                                                               \
			fprintf(stderr, "%s:%d: in a child: %s does not hold\n", __FILE__, __LINE__, #what); \
			return 1;                                                                            \
		}                                                                                            \
	} while (0)

/* A private directory below TMPDIR; removed, with what is in it, by drop_directory(). */
char *make_directory(void);
void drop_directory(char *path);

/* Sleep so many milliseconds, whatever signals come. */
void sleep_ms(unsigned int ms);

/*
 * @ns on a machine of our own; so many times as much as others want the processors too. For what must happen
 * within a time; what must happen at all is waited for.
 */
uint64_t as_busy(uint64_t ns);

/* A loop that takes @n steps, or a tenth of them under a sanitizer. */
#ifdef PLX_SAN
#define LONG_LOOP(n) ((n) / 10)
#else
#define LONG_LOOP(n) (n)
#endif

#endif
