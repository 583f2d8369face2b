/*
 * stages.c - a computation of three stages, each a pool: numbers, how many Collatz steps each takes, the longest of each length of number.
 *
 *	main ──► "steps": 2 workers ──► "digits": 2 workers ──► "longest": 1 worker
 *
 * A stage's workers are senders to the next one, which is opened before.
 */
#include <plx/plx.h>
#include <stdio.h>
#include <string.h>

#define FOR_EVER UINT64_MAX

struct result {
	uint64_t number, steps;
};

static struct plx_workers *stage[3];
static struct plx_sender *next; /* in each worker: to the stage after its own */

static int connect(struct plx_worker *worker, void *arg)
{
	(void)worker;
	return plx_sender_open(&next, *(struct plx_workers **)arg) < 0;
}

static int count_steps(struct plx_worker *worker, const struct plx_message *message, void *arg)
{
	struct result result = { .number = message->key };

	(void)worker;
	(void)arg;
	for (uint64_t n = message->key; n != 1; n = n % 2 ? 3 * n + 1 : n / 2)
		result.steps++;
	return plx_sender_send(next, message->key, 0, &result, sizeof(result), FOR_EVER);
}

static int count_digits(struct plx_worker *worker, const struct plx_message *message, void *arg)
{
	uint64_t digits = 0;

	(void)worker;
	(void)arg;
	for (uint64_t n = message->key; n; n /= 10)
		digits++;
	return plx_sender_send(next, digits, 0, message->data, message->size, FOR_EVER);
}

static int keep_longest(struct plx_worker *worker, const struct plx_message *message, void *arg)
{
	struct result *longest = (struct result *)plx_worker_state(worker) + message->key, result;

	(void)arg;
	memcpy(&result, message->data, sizeof(result));
	if (result.steps <= longest->steps)
		return 0;
	if (plx_worker_note(worker, longest, sizeof(*longest)) < 0)
		return -ENOSPC;
	*longest = result;
	return 0;
}

static int open_stage(int i, const char *name, struct plx_worker_hooks hooks, uint32_t workers)
{
	struct plx_workers_options options = {
		.name = name, .hooks = hooks, .workers = workers, .state_size = 16 * sizeof(struct result)
	};

	return plx_workers_open(&stage[i], &options);
}

int main(void)
{
	struct plx_sender *sender;
	struct result *longest;

	/* the last one first, so that the others inherit it */
	if (open_stage(2, "longest", (struct plx_worker_hooks){ .handle = keep_longest }, 1) < 0 ||
	    open_stage(
		    1, "digits",
		    (struct plx_worker_hooks){ .start = connect, .handle = count_digits, .arg = &stage[2] },
		    2) < 0 ||
	    open_stage(0, "steps",
		       (struct plx_worker_hooks){ .start = connect, .handle = count_steps, .arg = &stage[1] },
		       2) < 0 ||
	    plx_sender_open(&sender, stage[0]) < 0)
		return 1;
	for (uint64_t number = 1; number < 100000; number++)
		if (plx_sender_send(sender, number, 0, NULL, 0, FOR_EVER) < 0)
			return 1;
	plx_sender_close(sender);
	for (int i = 0; i < 3; i++) /* in order: what one stage has sent the next one handles */
		if (plx_workers_drain(stage[i], FOR_EVER) < 0)
			return 1;
	longest = plx_workers_memory(stage[2], 0);
	for (int digits = 1; digits < 6; digits++)
		printf("%d digits: %d takes %d steps\n", digits, (int)longest[digits].number,
		       (int)longest[digits].steps);
	for (int i = 0; i < 3; i++)
		if (plx_workers_stop(stage[i], FOR_EVER) < 0)
			return 1;
	return 0;
}
