/* counter.c - workers count; one is killed in the middle, and the count is right all the same. */
#include <plx/plx.h>
#include <signal.h>
#include <stdio.h>

static int add(struct plx_worker *worker, const struct plx_message *message, void *arg)
{
	(void)arg;
	return plx_worker_add(worker, plx_worker_slot(worker, message->slot), 1);
}

int main(void)
{
	struct plx_workers_options options = {
		.name = "counter",
		.hooks = { .handle = add },
		.workers = 2,
		.slot_size = sizeof(uint64_t), /* a counter for each of 16384 slots, in shared memory */
	};
	struct plx_workers_stats stats;
	struct plx_workers *workers;
	struct plx_sender *sender;
	uint64_t sum = 0;
	int32_t pid;

	if (plx_workers_open(&workers, &options) < 0 || plx_sender_open(&sender, workers) < 0)
		return 1;
	for (uint64_t key = 0; key < 100000; key++) {
		if (key == 50000 && plx_workers_state(workers, 0, &pid) != PLX_WORKER_NONE)
			kill(pid, SIGKILL);
		if (plx_sender_send(sender, key, 0, NULL, 0, UINT64_MAX) < 0)
			return 1;
	}
	plx_sender_close(sender);
	if (plx_workers_drain(workers, UINT64_MAX) < 0 || plx_workers_stats(workers, UINT32_MAX, &stats) < 0)
		return 1;
	for (uint32_t slot = 0; slot < PLX_PARTITION_SLOTS; slot++)
		sum += *(uint64_t *)plx_workers_slot(workers, slot);
	printf("%d counted, %d worker replaced\n", (int)sum, (int)stats.restarts);
	return plx_workers_stop(workers, UINT64_MAX) < 0;
}
