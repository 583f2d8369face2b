/*
 * test_step.c - a worker dies at each instruction of what it does: of rules, links, commits, mail, giving, resting, and of
 * recovering from the death before.
 *
 * A child reduces small nets with up to three workers, which take turns in one process, and is stepped by us. Now and
 * then it drops a worker as it is and opens its successor, so that recovery is stepped too. At each instruction that
 * has changed the arena we take it as whoever lives on would find it, into an arena of our own, twice:
 *
 *	all die       all workers recover and go on
 *	one dies      the others go on with what it has shown them, as far as they get; then it recovers
 *
 * and to the end: the normal form and the count must be those of the reference reducer, and check_arena() must find every cell.
 * What is copied is what a small net can touch; a net that touches more is not taken.
 *
 * Every other net is made of calls, in longer batches, so that it goes through code (fuse.h), which is made before the
 * stepping begins.
 *
 * Every other of the rest has partitions that move: now and then somebody is asked to give one to somebody. And who dies alone there is not
 * succeeded: the others adopt what it had.
 *
 * CRASH_POINTS, CRASH_SECONDS and CRASH_SEED: see docs/testing.md.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reducer/net/check.h"
#include "reducer/net/host.h"
#include "reducer/net/link.h"
#include "reducer/net/owner.h"
#include "tests/reducer/support/arenas.h"
#include "tests/reducer/support/calls.h"
#include "tests/reducer/support/cases.h"
#include "tests/reducer/support/nets.h"
#include "tests/reducer/support/random.h"
#include "tests/support/step.h"
#include "tests/support/support.h"

#define POINTS  120000
#define WORKERS 3u
#define RING    8u
#define GAS     600u    /* interactions of a net, at most */
#define STEPS   150000u /* instructions of a net, at most */

/* Of each partition: so many cells and so on are copied. */
#define NODES  384u
#define VARS   384u
#define STACK  96u
#define SPILL  48u
#define WORDS  48u
#define AWAY   16u
#define BUFFER (fused ? 4096u : 1024u) /* bytes */
#define TOPS   (fused ? 64u : 24u)

/* Of the net that is being stepped: do partitions move? Is it fused? With this code, then. */
static bool moving;
static bool fused;
static struct fuse code;

struct window {
	uint64_t off, len;
};

struct stage {
	struct arena real, copy;
	struct window window[8 + WORKERS * 20];
	uint32_t windows;
	unsigned char *before; /* what the windows showed last */
	_Atomic uint32_t *who; /* the worker that has its turn; shared with the child */
	struct book *book;
	struct outcome outcome;
	uint64_t seed;
	char why[200];
};

static struct step_count counts[WORKERS] = {
	{ .name = "one worker" },
	{ .name = "two workers" },
	{ .name = "three workers" },
};

static uint64_t roll(uint64_t *seed, uint64_t below)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*seed >> 33) % below;
}

/* ---- an arena without a supervisor ------------------------------------------------------------------- */

static void make(struct arena *arena, uint32_t workers, uint32_t tick, const struct book *book)
{
	assert_int_equal(arena_open(arena, "step", workers, workers, RING, 64u << 20), 0);
	arena->control->tick = tick;
	arena->control->scatter = 1;
	for (uint32_t i = 0; i < workers; i++)
		for (uint32_t k = 0; k < ARENA_BUFFERS; k++)
			arena->parts[i].record[0].buffer_end[k] = k == ARENA_SET ? 32768 : BUFFER;
	arena_reset(arena);
	arenas_load(arena, book);
	arena->control->first = arena->control->job = 1;
}

/* As the supervisor does, see clear_up_after() in net_death.c; and then the successor. */
static void open_worker(struct host *h, struct arena *arena, uint32_t i)
{
	const uint32_t parts = arena_open_parts(arena);

	for (uint32_t part = 0; part < parts; part++)
		if (owner_worker(owner_of(arena, part)) == i)
			atomic_fetch_and(&arena->control->closing, ~(1ull << part));
	owner_bequeath(arena, i, 0);
	host_open(h, arena, i, -1);
	h->alone = true;
	for (uint32_t k = 0; k < h->n; k++) {
		h->w[k]->alone_in_process = true;
		if (fused) {
			fuse_close(h->w[k]);
			h->w[k]->fuse = code;
		}
	}
}

static void close_worker(struct host *h)
{
	for (uint32_t k = 0; k < h->n && fused; k++)
		h->w[k]->fuse = (struct fuse){ .on = false };
	host_close(h);
}

/* Code for all of a book, made by a worker that does nothing else. */
static void make_code(const struct arena *arena)
{
	struct worker *w = calloc(1, sizeof(*w));

	w->book = arena_book(arena);
	w->defs = code_def((const struct code *)(arena->base + arena->control->code), 0);
	w->fuse.on = true;
	fuse_begin(w, w->book->defs);
	fuse_all(w);
	code = w->fuse;
	code.kept = true;
	free(w);
}

static void free_code(void)
{
	struct worker *w = calloc(1, sizeof(*w));

	w->fuse = code;
	fuse_close(w);
	free(w);
}

/* ---- the child --------------------------------------------------------------------------------------- */

/* Somebody is asked to give something to somebody. */
static void move(struct arena *arena, uint64_t *seed)
{
	const uint32_t part = (uint32_t)roll(seed, arena->n);

	owner_wish(arena, part, (uint32_t)roll(seed, arena->n));
	owner_tell(arena, owner_worker(owner_of(arena, part)));
}

/* From the beginning to the end; which worker has its turn, and which is dropped, @seed says. */
static void reduce(struct arena *arena, _Atomic uint32_t *who, uint64_t seed)
{
	static struct host h[WORKERS];

	for (uint32_t i = 0; i < arena->n; i++) {
		atomic_store(who, i);
		open_worker(&h[i], arena, i);
	}
	for (uint32_t turns = 0; !arenas_over(arena) && turns < 100000; turns++) {
		const uint32_t i = (uint32_t)roll(&seed, arena->n);

		atomic_store(who, i);
		if (moving && roll(&seed, 4) == 0)
			move(arena, &seed);
		host_turn(&h[i]);
		if (roll(&seed, 8) == 0) {
			close_worker(&h[i]); /* which leaves the arena as it is */
			open_worker(&h[i], arena, i);
		}
	}
}

/* ---- what is copied ---------------------------------------------------------------------------------- */

static void add_window(struct stage *s, const void *at, uint64_t len)
{
	assert_true(s->windows < sizeof(s->window) / sizeof(*s->window));
	s->window[s->windows++] = (struct window){ (uint64_t)((const char *)at - s->real.base), len };
}

static void add_windows(struct stage *s)
{
	struct arena *a = &s->real;
	uint64_t sum = 0;

	s->windows = 0;
	add_window(s, a->control, sizeof(*a->control));
	add_window(s, a->lines, a->n * sizeof(*a->lines));
	add_window(s, a->parts, a->n * sizeof(*a->parts));
	add_window(s, a->peers, 2ull * a->n * a->n * sizeof(*a->peers));
	add_window(s, a->mail, a->n * a->n * arena_ring_bytes(RING));
	for (uint32_t i = 0; i < a->n; i++) {
		struct arena_notes *notes = arena_notes(a, i);

		add_window(s, notes, offsetof(struct arena_notes, top_redex) + TOPS * sizeof(struct pair));
		add_window(s, notes->bottom_redex, sizeof(notes->bottom_redex));
		for (int k = 0; k < 2; k++) {
			add_window(s, notes->later[k], 8 * sizeof(struct pair));
			add_window(s, notes->foreign[k], AWAY * sizeof(port));
		}
		add_window(s, notes->word, WORDS * sizeof(*notes->word));
		for (uint32_t k = 0; k < ARENA_BUFFERS; k++)
			add_window(s, (char *)notes + arena_buffer_off(a, k), BUFFER);
		add_window(s, a->base + arena_nodes_off(a, i), NODES * sizeof(struct pair));
		add_window(s, a->base + arena_vars_off(a, i), VARS * sizeof(port));
		add_window(s, a->base + arena_redexes_off(a, i), STACK * sizeof(struct pair));
		add_window(s, a->base + arena_spill_off(a, i), SPILL * sizeof(struct arena_spilled));
	}
	for (uint32_t i = 0; i < s->windows; i++)
		sum += s->window[i].len;
	s->before = calloc(1, sum);
}

/* Has anything changed since the last look? Remembers what there is. */
static bool has_changed(struct stage *s)
{
	unsigned char *before = s->before;
	bool changed = false;

	for (uint32_t i = 0; i < s->windows; i++) {
		const struct window *w = &s->window[i];

		if (memcmp(before, s->real.base + w->off, w->len) != 0) {
			memcpy(before, s->real.base + w->off, w->len);
			changed = true;
		}
		before += w->len;
	}
	return changed;
}

static void copy(struct stage *s)
{
	for (uint32_t i = 0; i < s->windows; i++)
		memcpy(s->copy.base + s->window[i].off, s->real.base + s->window[i].off, s->window[i].len);
}

/* Did the net stay within what is copied? Where it ended says enough: nothing shrinks. */
static bool is_small(const struct arena *a)
{
	for (uint32_t i = 0; i < a->n; i++) {
		const struct arena_record *r = arena_record(a, i);

		if (r->node_fresh - (arena_nodes_off(a, i) >> 4) > NODES ||
		    r->var_fresh - (arena_vars_off(a, i) >> 3) > VARS || r->spill_fresh > SPILL)
			return false;
		for (uint32_t k = 0; k < ARENA_SET; k++)
			if (r->buffer_end[k] != BUFFER)
				return false;
	}
	return true;
}

/* Turns of all workers but @dead until none has anything to do, or so many. */
static void go_on(struct host *h, uint32_t n, uint32_t dead, uint32_t turns)
{
	for (bool busy = true; busy && turns > 0; turns--) {
		busy = false;
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t k = 0; i != dead && k < h[i].n + 1; k++)
				busy |= host_turn(&h[i]);
	}
}

static void clear_closing(struct arena *arena)
{
	for (uint32_t i = 0; i < arena->n; i++)
		atomic_fetch_and(&arena->control->closing, ~(1ull << i));
}

static const char *all_die(struct stage *s)
{
	static struct host h[WORKERS];

	clear_closing(&s->copy);
	for (uint32_t i = 0; i < s->copy.n; i++)
		open_worker(&h[i], &s->copy, i);
	go_on(h, s->copy.n, WORKERS, 20000);
	for (uint32_t i = 0; i < s->copy.n; i++)
		close_worker(&h[i]);
	return arenas_answer(&s->copy, &s->outcome);
}

static const char *one_dies(struct stage *s, uint32_t dead)
{
	const uint64_t others = ((1ull << s->copy.n) - 1) & ~(1ull << dead);
	static struct host h[WORKERS];

	clear_closing(&s->copy);
	for (uint32_t i = 0; i < s->copy.n; i++)
		if (i != dead)
			open_worker(&h[i], &s->copy, i);
	go_on(h, s->copy.n, dead, 50);
	if (moving) {
		owner_bequeath(&s->copy, dead, others);
		owner_tell(&s->copy, dead); /* all look */
	}
	open_worker(&h[dead], &s->copy, dead);
	go_on(h, s->copy.n, WORKERS, 20000);
	for (uint32_t i = 0; i < s->copy.n; i++)
		close_worker(&h[i]);
	return arenas_answer(&s->copy, &s->outcome);
}

static sigjmp_buf way_out;

static void get_out(int signal)
{
	siglongjmp(way_out, signal);
}

static const char *ask(struct stage *s)
{
	const struct itimerval soon = { .it_value = { .tv_sec = 10 } }, never = { .it_value = { 0 } };
	const uint32_t who = atomic_load(s->who);
	const char *why;

	switch (sigsetjmp(way_out, 1)) {
	case 0: break;
	case SIGALRM: return "it hangs";
	default: return "it crashes";
	}
	setitimer(ITIMER_REAL, &soon, NULL);
	copy(s);
	why = all_die(s);
	if (!why && s->copy.n > 1) {
		copy(s);
		why = one_dies(s, who);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	return why;
}

/* ---- stepping ---------------------------------------------------------------------------------------- */

static pid_t start(struct stage *s, bool traced)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	signal(SIGABRT, SIG_DFL);
	if (traced && (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0))
		_exit(2);
	reduce(&s->real, s->who, s->seed);
	_exit(0);
}

/* Alone, without us: is it a net of the right size? */
static bool rehearse(struct stage *s)
{
	int status;
	pid_t pid = start(s, false);

	alarm(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 && arenas_over(&s->real) && is_small(&s->real);
}

static bool step_through(struct stage *s, struct step_count *count)
{
	const char *verdict = NULL;
	pid_t pid = start(s, true);
	int status;

	count->runs++;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (uint32_t step = 0; step < STEPS; step++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid)
			break;
		if (WIFEXITED(status))
			return true;
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
			snprintf(s->why, sizeof(s->why), "the reducer itself crashed after %u instructions",
				 step);
			count->wrong++;
			break;
		}
		count->points++;
		if (has_changed(s)) {
			count->deaths++;
			verdict = ask(s);
		}
		if (verdict) {
			count->wrong++;
			snprintf(s->why, sizeof(s->why), "%s (worker %u of %u, instruction %u)", verdict,
				 atomic_load(s->who), s->real.n, step);
			break;
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return count->wrong == 0;
}

/* One net, stepped from its beginning to its end. False: something was wrong. */
static bool try_net(struct stage *s, const char *program, uint32_t workers, uint32_t tick)
{
	bool good = true;

	s->book = nets_book(program, strlen(program));
	make(&s->real, workers, tick, s->book);
	if (fused)
		make_code(&s->real);
	if (rehearse(s)) {
		arena_close(&s->real);
		make(&s->real, workers, tick, s->book);
		make(&s->copy, workers, tick, s->book);
		add_windows(s);
		good = step_through(s, &counts[workers - 1]);
		if (!good)
			print_error("%s, tick %u: %s\n%s\n", s->why, tick, "the program:", program);
		free(s->before);
		arena_close(&s->copy);
	}
	arena_close(&s->real);
	if (fused)
		free_code();
	free(s->book);
	return good;
}

/* The next program of calls that comes to an end in so many interactions. */
static char *calls_terminating(uint64_t *seed, uint64_t gas, struct outcome *outcome)
{
	for (;;) {
		char *program = calls_program((*seed)++);

		*outcome = random_outcome(program, gas);
		if (outcome->error == 0 && outcome->text && outcome->interactions > 12)
			return program;
		random_outcome_free(outcome);
		free(program);
	}
}

static void a_worker_may_die_at_any_instruction(void **state)
{
	const char *from = getenv("CRASH_SEED"), *begin = getenv("CRASH_FIRST");
	const uint32_t first = begin ? (uint32_t)atoi(begin) : 0; /* to see one again */
	uint64_t seed = from ? strtoull(from, NULL, 10) : 1, random = seed * 1000;
	struct stage s = { .windows = 0 };
	bool good = true;
	uint32_t tick;

	(void)state;
#ifndef __x86_64__
	skip();
#endif
	s.who = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(s.who != MAP_FAILED);
	signal(SIGALRM, get_out);
	signal(SIGSEGV, get_out);
	signal(SIGBUS, get_out);
	for (uint32_t i = 0; good && step_more(counts, WORKERS, POINTS); i++) {
		char *program;

		fused = i % 2 == 1;
		moving = i % 4 == 0;
		program = fused ? calls_terminating(&random, GAS, &s.outcome)
				: random_terminating(&random, 4 + (uint32_t)roll(&seed, 16), GAS, &s.outcome);
		tick = fused ? 24 + (uint32_t)roll(&seed, 40) : 1 + (uint32_t)roll(&seed, 6);
		s.seed = seed + i;
		if (i >= first)
			good = try_net(&s, program, (i / 2 + 1) % WORKERS + 1, tick);
		if (!good)
			print_error("CRASH_SEED=%s CRASH_FIRST=%u\n", from ? from : "1", i);
		random_outcome_free(&s.outcome);
		free(program);
	}
	signal(SIGALRM, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	munmap(s.who, 4096);
	assert_int_equal(step_report("net", counts, WORKERS), 0);
	assert_true(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_may_die_at_any_instruction),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
