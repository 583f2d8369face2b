/*
 * step.c - the child, its registers and its memory.
 *
 * The child runs a loop of assembly: it rests at a breakpoint, loads the operation, calls it on a stack that lies in the
 * common memory, and meets another breakpoint. To rest again it is simply given the registers it rested with.
 */
#include "tests/support/step.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)16 << 10)
#define BELOW      ((size_t)256) /* bytes below the stack pointer that count: the red zone, and some */
#define JOB_SIZE   ((size_t)64)  /* a line for struct job */
#define STEPS_MAX  2000000u      /* of one operation: more is a loop that does not end */

#ifdef __x86_64__

/* What the child finds when it leaves its rest. */
struct job {
	void (*call)(void *arg);
	void *arg;
};

struct stepper {
	pid_t pid;
	struct job *job;
	unsigned char *memory, *copy, *before;
	size_t shared, size;  /* without the stack */
	uint64_t stack, rest; /* ends of the stack; where it begins */
	struct user_regs_struct resting;
};

extern const char step_end[], __executable_start[];
void step_child(struct job *job, void *stack) __attribute__((noreturn));

__asm__(".text\n"
	".globl step_child\n"
	"step_child:\n"
	"	mov %rdi, %rbx\n"
	"	mov %rsi, %rsp\n"
	"	int3\n" /* at rest */
	"	mov 8(%rbx), %rdi\n"
	"	call *(%rbx)\n"
	".globl step_end\n"
	"step_end:\n"
	"	int3\n"
	"	hlt\n");

static void give_up(const char *what)
{
	fprintf(stderr, "step: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the child ------------------------------------------------------------------------------------ */

/* It stopped: at a breakpoint or after a step (true), or it crashed. */
static bool wait_for(struct stepper *s)
{
	int status;

	while (waitpid(s->pid, &status, 0) < 0) {
		if (errno != EINTR)
			give_up("waitpid");
	}
	if (!WIFSTOPPED(status)) {
		errno = ECHILD;
		give_up("the child is gone");
	}
	return WSTOPSIG(status) == SIGTRAP;
}

static void get_regs(struct stepper *s, struct user_regs_struct *regs)
{
	if (ptrace(PTRACE_GETREGS, s->pid, NULL, regs) < 0)
		give_up("PTRACE_GETREGS");
}

static void set_regs(struct stepper *s, const struct user_regs_struct *regs)
{
	if (ptrace(PTRACE_SETREGS, s->pid, NULL, regs) < 0)
		give_up("PTRACE_SETREGS");
}

/* Vector registers: a copy in the middle of memcpy() lies in them. */
struct vectors {
	size_t size;
	_Alignas(64) unsigned char bytes[16384];
};

static void get_vectors(struct stepper *s, struct vectors *v)
{
	struct iovec iov = { v->bytes, sizeof(v->bytes) };

	if (ptrace(PTRACE_GETREGSET, s->pid, (void *)NT_X86_XSTATE, &iov) < 0)
		give_up("PTRACE_GETREGSET");
	v->size = iov.iov_len;
}

static void set_vectors(struct stepper *s, struct vectors *v)
{
	struct iovec iov = { v->bytes, v->size };

	if (ptrace(PTRACE_SETREGSET, s->pid, (void *)NT_X86_XSTATE, &iov) < 0)
		give_up("PTRACE_SETREGSET");
}

struct stepper *step_open(size_t shared, size_t rest)
{
	struct stepper *s = calloc(1, sizeof(*s));
	size_t all;

	if (!s)
		give_up("calloc");
	s->shared = (shared + 63) & ~(size_t)63;
	s->size = s->shared + JOB_SIZE + ((rest + 63) & ~(size_t)63);
	all = (s->size + STACK_SIZE + 4095) & ~(size_t)4095;
	s->memory = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	s->copy = malloc(all);
	s->before = malloc(s->shared);
	if (s->memory == MAP_FAILED || !s->copy || !s->before)
		give_up("memory");
	s->stack = (uint64_t)(uintptr_t)s->memory + all;
	s->job = (struct job *)(void *)(s->memory + s->shared);
	fflush(NULL);
	s->pid = fork();
	if (s->pid < 0)
		give_up("fork");
	if (s->pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
			step_child(s->job, (void *)(uintptr_t)s->stack);
		_exit(1);
	}
	if (!wait_for(s) || ptrace(PTRACE_SETOPTIONS, s->pid, NULL, (void *)PTRACE_O_EXITKILL) < 0)
		give_up("ptrace");
	get_regs(s, &s->resting);
	return s;
}

void step_close(struct stepper *s)
{
	if (!s)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	munmap(s->memory, s->stack - (uint64_t)(uintptr_t)s->memory);
	free(s->copy);
	free(s->before);
	free(s);
}

void *step_shared(const struct stepper *s)
{
	return s->memory;
}

void *step_rest(const struct stepper *s)
{
	return (unsigned char *)s->job + JOB_SIZE;
}

/* ---- the world, out and back ------------------------------------------------------------------------- */

/* The part of the stack that is in use begins at @sp. */
static void copy_world(const struct stepper *s, unsigned char *to, const unsigned char *from, uint64_t sp)
{
	uint64_t used = sp - BELOW - (uint64_t)(uintptr_t)s->memory;
	uint64_t end = s->stack - (uint64_t)(uintptr_t)s->memory;

	memcpy(to, from, s->size);
	memcpy(to + used, from + used, end - used);
}

/* Once from its rest or from where it is to the end of the operation. */
static bool finish(struct stepper *s)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_CONT, s->pid, NULL, NULL) < 0)
		give_up("PTRACE_CONT");
	if (!wait_for(s))
		return false;
	get_regs(s, &regs);
	return regs.rip == (uint64_t)(uintptr_t)step_end + 1;
}

static const char *pause_here(struct stepper *s, const struct step_op *op,
			      const struct user_regs_struct *regs)
{
	static struct vectors vectors;
	const char *wrong;

	get_vectors(s, &vectors);
	wrong = op->paused(op->arg);
	if (!wrong)
		wrong = finish(s) ? op->resumed(op->arg) : "it crashed after the others had gone on";
	copy_world(s, s->memory, s->copy, regs->rsp);
	set_regs(s, regs);
	set_vectors(s, &vectors);
	return wrong;
}

static const char *place(const char *wrong, uint64_t step, uint64_t rip)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s (instruction %llu, addr2line 0x%llx)", wrong,
		 (unsigned long long)step,
		 (unsigned long long)(rip - (uint64_t)(uintptr_t)__executable_start));
	return text;
}

const char *step_run(struct stepper *s, const struct step_op *op, struct step_count *count)
{
	const char *first = NULL, *last = NULL;
	struct user_regs_struct regs;

	count->runs++;
	s->job->call = op->call;
	s->job->arg = op->arg;
	set_regs(s, &s->resting);
	for (uint64_t step = 0;; step++) {
		const char *wrong = NULL;

		if (ptrace(PTRACE_SINGLESTEP, s->pid, NULL, NULL) < 0)
			give_up("PTRACE_SINGLESTEP");
		if (!wait_for(s) || step > STEPS_MAX) {
			count->wrong++;
			return "the operation crashed, or does not end";
		}
		get_regs(s, &regs);
		if (regs.rip == (uint64_t)(uintptr_t)step_end)
			return first;
		copy_world(s, s->copy, s->memory, regs.rsp);
		count->points++;
		if (op->died) {
			if (step == 0 || memcmp(s->before, s->memory, s->shared) != 0) {
				memcpy(s->before, s->memory, s->shared);
				count->deaths++;
				last = op->died(op->arg);
				copy_world(s, s->memory, s->copy, regs.rsp);
			}
			wrong = last;
		}
		if (op->paused && !wrong) {
			count->pauses++;
			wrong = pause_here(s, op, &regs);
		}
		count->wrong += wrong != NULL;
		if (wrong && !first)
			first = place(wrong, step, regs.rip);
	}
}

#else /* another machine: nothing is stepped, and nothing claimed */

struct stepper {
	unsigned char *memory;
	size_t shared;
};

struct stepper *step_open(size_t shared, size_t rest)
{
	struct stepper *s = calloc(1, sizeof(*s));

	if (!s ||
	    !(s->memory = aligned_alloc(64, ((shared + 63) & ~(size_t)63) + ((rest + 63) & ~(size_t)63))))
		exit(1);
	s->shared = (shared + 63) & ~(size_t)63;
	return s;
}

void step_close(struct stepper *s)
{
	if (s)
		free(s->memory);
	free(s);
}

void *step_shared(const struct stepper *s)
{
	return s->memory;
}

void *step_rest(const struct stepper *s)
{
	return s->memory + s->shared;
}

const char *step_run(struct stepper *s, const struct step_op *op, struct step_count *count)
{
	(void)s;
	count->runs++;
	op->call(op->arg);
	return NULL;
}

#endif

/* ---- how much, and what came of it --------------------------------------------------------------------- */

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool step_more(const struct step_count *counts, size_t n, uint64_t least)
{
	static double begun;
	uint64_t points = 0, runs = 0, seconds = setting("CRASH_SECONDS", 0);

	if (begun == 0)
		begun = now();
	for (size_t i = 0; i < n; i++) {
		points += counts[i].points;
		runs += counts[i].runs;
	}
	if (seconds && now() - begun >= (double)seconds)
		return false;
#ifdef __x86_64__
	(void)runs;
	return points < setting("CRASH_POINTS", least);
#else
	return runs < 1000 && least;
#endif
}

uint64_t step_report(const char *title, const struct step_count *counts, size_t n)
{
	struct step_count all = { .name = "all" };

	for (size_t i = 0; i < n; i++) {
		const struct step_count *c = &counts[i];

		printf("%s: %-28s %9llu of %9llu points survived (%llu runs, %llu states, %llu pauses)\n",
		       title, c->name, (unsigned long long)(c->points - c->wrong),
		       (unsigned long long)c->points, (unsigned long long)c->runs,
		       (unsigned long long)c->deaths, (unsigned long long)c->pauses);
		all.points += c->points;
		all.runs += c->runs;
		all.deaths += c->deaths;
		all.pauses += c->pauses;
		all.wrong += c->wrong;
	}
	printf("%s: %-28s %9llu of %9llu points survived (%llu runs, %llu states, %llu pauses)\n", title,
	       all.name, (unsigned long long)(all.points - all.wrong), (unsigned long long)all.points,
	       (unsigned long long)all.runs, (unsigned long long)all.deaths, (unsigned long long)all.pauses);
	return all.wrong;
}
