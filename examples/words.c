/* words.c - how often each word is in a text: words go to workers by their hash, and one more worker comes half-way. */
#include <ctype.h>
#include <plx/plx.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD 24u

/* The words of a slot: few, since there are 16384 slots. */
struct shelf {
	struct {
		char word[WORD];
		uint64_t count;
	} entry[8];
};

static int count(struct plx_worker *worker, const struct plx_message *message, void *arg)
{
	struct shelf *shelf = plx_worker_slot(worker, message->slot);

	(void)arg;
	for (int i = 0; i < 8; i++) {
		char *word = shelf->entry[i].word;

		if (word[0] && strncmp(word, message->data, WORD) != 0)
			continue;
		if (!word[0]) {
			if (plx_worker_note(worker, word, WORD) < 0)
				return -ENOSPC;
			memcpy(word, message->data, message->size);
		}
		return plx_worker_add(worker, &shelf->entry[i].count, 1);
	}
	return -ENOSPC; /* a ninth word in one slot: counted as failed */
}

static int send_words(struct plx_workers *workers, struct plx_sender *sender, FILE *text)
{
	char word[WORD] = "";
	size_t n = 0;
	long words = 0;

	for (int c = getc(text);; c = getc(text)) {
		if (c != EOF && isalpha(c) && n < WORD - 1) {
			word[n++] = (char)tolower(c);
			continue;
		}
		if (n > 0) {
			word[n++] = '\0';
			if (plx_sender_send_bytes(sender, word, n - 1, 0, word, (uint32_t)n, UINT64_MAX) < 0)
				return -1;
			if (++words == 500 && plx_workers_scale(workers, 3, UINT64_MAX) < 0)
				return -1;
			n = 0;
		}
		if (c == EOF)
			return 0;
	}
}

int main(int argc, char **argv)
{
	struct plx_workers_options options = {
		.name = "words",
		.hooks = { .handle = count },
		.workers = 2,
		.most = 3,
		.slot_size = sizeof(struct shelf),
	};
	FILE *text = argc > 1 ? fopen(argv[1], "r") : stdin;
	struct plx_workers_stats stats;
	struct plx_workers *workers;
	struct plx_sender *sender;
	int ret;

	if (!text) {
		perror(argv[1]);
		return 1;
	}
	ret = plx_workers_open(&workers, &options);
	if (ret == 0)
		ret = plx_sender_open(&sender, workers);
	if (ret == 0)
		ret = send_words(workers, sender, text);
	if (ret >= 0 && ferror(text))
		ret = -EIO;
	if (ret >= 0)
		ret = plx_workers_drain(workers, UINT64_MAX);
	if (ret >= 0)
		ret = plx_workers_stats(workers, UINT32_MAX, &stats);
	if (ret < 0) {
		fprintf(stderr, "words: %s\n", plx_strerror(ret));
		return 1;
	}
	plx_sender_close(sender);
	for (uint32_t slot = 0; slot < PLX_PARTITION_SLOTS; slot++) {
		struct shelf *shelf = plx_workers_slot(workers, slot);

		for (int i = 0; i < 8 && shelf->entry[i].word[0]; i++)
			printf("%7d %s\n", (int)shelf->entry[i].count, shelf->entry[i].word);
	}
	if (stats.failed)
		fprintf(stderr, "%d words did not fit\n", (int)stats.failed);
	return plx_workers_stop(workers, UINT64_MAX) < 0 || stats.failed;
}
