/*
 * fuzz_job.c - any messages on the topic of programs: gathered to programs, each with a title or none.
 *
 * libFuzzer's entry (make fuzz); test_fuzz_job.c calls it too. An input is a row of messages: a byte says who sends it, whether
 * more is to come, and whether its sender leaves then; the next how long it is. What comes of them must be what three
 * simple piles of bytes, one for each publisher, say; of a title only what the text really says may be believed.
 */
#include "reducer/job/request.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#define PUBLISHERS 3
#define TEXT_MAX   300 /* two messages may be too long for it */

/* What a publisher has sent of its present program. */
struct pile {
	unsigned char bytes[2 * TEXT_MAX + 256];
	size_t length;
	uint64_t sent, first;
	bool open;
};

/* Fit to be shown in one line: whole UTF-8 is job_clean()'s, no control character, ended. */
static void check_shown(const char *text, size_t room)
{
	char again[256];

	HOLDS(memchr(text, '\0', room) != NULL);
	for (const char *c = text; *c; c++)
		HOLDS((unsigned char)*c >= ' ' && *c != 0x7f);
	job_clean(again, sizeof(again), text, strlen(text));
	HOLDS(strcmp(again, text) == 0);
}

/* What is believed of a title is there, and what is wrong is said. */
static void check_title(const struct job_request *request)
{
	const bool comment = request->length >= 2 && memcmp(request->text, "//", 2) == 0;
	const bool titled = request->id != request->position;

	check_shown(request->name, sizeof(request->name));
	check_shown(request->wrong, sizeof(request->wrong));
	HOLDS(comment || (!titled && !request->cancels && !request->name[0] && !request->wrong[0]));
	HOLDS(comment || (!request->limits.gas && !request->limits.time_ns && !request->limits.memory &&
			  !request->expand_said));
	HOLDS((request->wrong[0] != '\0') == (request->wrong_line != 0) && request->wrong_line <= 2);
	HOLDS(!request->cancels || (!request->name[0] && !request->wrong[0]));
}

static void check_request(struct job_request *request, const struct pile *pile, uint64_t publisher)
{
	HOLDS(request->publisher == publisher && request->position == pile->first);
	HOLDS(request->too_long == (pile->length > TEXT_MAX));
	if (request->too_long) {
		HOLDS(request->length == 0 && !request->text);
	} else {
		HOLDS(request->length == pile->length);
		HOLDS(pile->length == 0 || memcmp(request->text, pile->bytes, pile->length) == 0);
	}
	check_title(request);
	job_request_free(request);
}

/* One message; its bytes are copied so that one beyond its end is seen. */
static void send(struct job_gather *gather, struct pile *pile, uint64_t publisher, const unsigned char *data,
		 size_t size, bool more)
{
	unsigned char *exact = malloc(size + !size);
	struct plx_buffer message = { .data = exact,
				      .length = size,
				      .sequence = pile->sent++,
				      .publisher = publisher,
				      .flags = more ? PLX_BUFFER_MORE : 0 };
	struct job_request request = JOB_REQUEST_NONE;
	int ret;

	HOLDS(exact);
	memcpy(exact, data, size);
	if (!pile->open)
		pile->first = pile->sent;
	pile->open = true;
	if (pile->length <= TEXT_MAX) {
		memcpy(pile->bytes + pile->length, data, size);
		pile->length += size;
	}
	ret = job_gather_add(gather, &message, &request);
	free(exact);
	HOLDS(job_gather_partial(gather, publisher) == (more ? pile->first : 0));
	if (more) {
		HOLDS(ret == 0);
		return;
	}
	HOLDS(ret == (pile->length > TEXT_MAX ? -EMSGSIZE : 1));
	check_request(&request, pile, publisher);
	pile->length = 0;
	pile->open = false;
}

static void leave(struct job_gather *gather, struct pile *pile, uint64_t publisher)
{
	struct job_request request = JOB_REQUEST_NONE;

	HOLDS(job_gather_end(gather, publisher, &request) == pile->open);
	if (pile->open)
		check_request(&request, pile, publisher);
	*pile = (struct pile){ .open = false };
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static struct pile piles[PUBLISHERS];
	struct job_gather gather = { .text_max = TEXT_MAX };

	for (int i = 0; i < PUBLISHERS; i++)
		piles[i] = (struct pile){ .open = false };
	while (size >= 2) {
		const unsigned int who = data[0] % PUBLISHERS;
		const size_t length = data[1] < size - 2 ? data[1] : size - 2;

		send(&gather, &piles[who], 100 + who, data + 2, length, data[0] & 0x10);
		if (data[0] & 0x20)
			leave(&gather, &piles[who], 100 + who);
		data += 2 + length;
		size -= 2 + length;
	}
	job_gather_free(&gather);
	return 0;
}
