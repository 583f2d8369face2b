/*
 * test_journal.c - what a service notes is there for the next one, whole, at whatever instruction it was killed. Timeout: 120
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "reducer/job/journal.h"
#include "tests/support/step.h"
#include "tests/support/support.h"

#define ENTRIES 6u
#define ROOM    1024u
#define POINTS  300000

enum what { ADD, ADD_FAILED, FAIL, ANSWER, READ, WHATS };

static struct step_count counts[WHATS] = {
	[ADD] = { .name = "take a program" },     [ADD_FAILED] = { .name = "take one that is wrong" },
	[FAIL] = { .name = "cancel it" },         [ANSWER] = { .name = "answer it" },
	[READ] = { .name = "a stream was read" },
};

struct seen;

struct world {
	struct seen *seen;
	uint64_t published; /* before the operation */
	struct journal journal;
	struct job_request request[ENTRIES]; /* that are to be answered; entry 0: none */
	char text[ENTRIES][200];
	bool failed[ENTRIES];
	uint64_t number; /* of the last program */
	uint64_t seed;
	/* the operation at hand */
	enum what what;
	uint32_t at;
	uint64_t next, partial, old_next, old_partial;
};

/* What others see besides the journal: messages of the output. */
struct seen {
	uint64_t published;
	_Alignas(PLX_LINE) char journal[];
};

static struct world *world; /* not in the child */

static uint64_t roll(uint64_t below)
{
	world->seed = world->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (world->seed >> 33) % below;
}

/* ---- the operations ---------------------------------------------------------------------------- */

static void call(void *arg)
{
	struct world *w = arg;
	struct job_request *request = &w->request[w->at];
	struct seen *seen = w->seen;
	_Atomic uint64_t *last;

	switch (w->what) {
	case ADD: (void)!journal_add(&w->journal, request, request->position, NULL, NULL); break;
	case ADD_FAILED:
		(void)!journal_add(&w->journal, request, request->position, "program", "it is long");
		break;
	case FAIL: journal_fail(&w->journal, request, "cancelled", "not wanted"); break;
	case ANSWER:
		/* three messages, as job_writer_end() has it */
		last = journal_answering(&w->journal, request, seen->published);
		__atomic_store_n(&seen->published, seen->published + 2, __ATOMIC_RELEASE);
		atomic_store_explicit(last, seen->published + 1, memory_order_release);
		__atomic_store_n(&seen->published, seen->published + 1, __ATOMIC_RELEASE);
		journal_answered(&w->journal, request);
		break;
	case READ: journal_read(&w->journal, 77, w->next, w->partial); break;
	default: break;
	}
}

/* ---- what must be true ------------------------------------------------------------------------- */

static const char *same_program(const struct world *w, const struct journal_entry *entry, uint32_t i,
				bool failed)
{
	struct job_request got;
	const char *wrong = NULL;

	if (journal_request(&w->journal, entry, &got) < 0)
		return "no memory";
	if (got.length != strlen(w->text[i]) || memcmp(got.text, w->text[i], got.length))
		wrong = "a text is another one";
	else if (got.publisher != w->request[i].publisher || got.id != w->request[i].id)
		wrong = "a number is another one";
	else if (failed && (!entry->reason[0] || !entry->message[0]))
		wrong = "it has failed and does not say why";
	job_request_free(&got);
	return wrong;
}

static struct journal_entry *find(const struct world *w, uint32_t i)
{
	struct journal_entry *entry = journal_next(&w->journal, 0);

	while (entry && entry->position != w->request[i].position)
		entry = journal_next(&w->journal, entry->order);
	return entry;
}

/* Would the next service know that it need not be answered, and is that so? */
static const char *rightly_answered(const struct world *w, const struct journal_entry *entry)
{
	const uint64_t published = w->seen->published, before = w->published;
	uint64_t last;

	if (!entry)
		return published == before + 3 ? NULL : "it is forgotten and was not answered";
	if (entry->state != JOURNAL_ANSWERING)
		return published == before ? NULL : "its answer has begun and nobody knows";
	last = entry->last;
	if (entry->first != before)
		return "its answer begins elsewhere";
	return (last > 0 && published >= last) == (published == before + 3)
		       ? NULL
		       : "whether it was answered cannot be told";
}

static const char *died(void *arg)
{
	struct world found = *(struct world *)arg; /* as the next service sees it: what was private is gone */
	const struct world *w = &found;
	const bool adds = w->what == ADD || w->what == ADD_FAILED;
	const struct journal_stream *stream = journal_stream(&w->journal, 77);
	const char *why, *wrong = NULL;

	journal_found(&found.journal);
	if (journal_check(&w->journal, &why) < 0)
		return why;
	for (uint32_t i = 0; i < ENTRIES && !wrong; i++) {
		const bool ours = i == w->at;
		const struct journal_entry *entry = w->request[i].position ? find(w, i) : NULL;

		if (ours && w->what == ANSWER)
			wrong = rightly_answered(w, entry);
		else if (!entry && w->request[i].position && !(ours && adds))
			wrong = "a program is forgotten";
		if (entry && !wrong)
			wrong = same_program(w, entry, i, entry->failed);
		if (entry && !wrong && ours && w->what == ADD_FAILED && !entry->failed)
			wrong = "one that is wrong is taken for a program";
		if (entry && !wrong && !entry->failed && w->failed[i])
			wrong = "one that was cancelled is not";
	}
	if (w->what == READ && stream && !wrong && stream->next == w->next && stream->next != w->old_next &&
	    stream->partial != w->partial)
		wrong = "the beginning of a program was read, and that it is not whole is not known";
	return wrong;
}

/* ---- runs -------------------------------------------------------------------------------------- */

/* Something that can be done now. */
static bool choose(void)
{
	struct world *w = world;
	struct job_request *request;

	w->what = (enum what)roll(WHATS);
	w->at = (uint32_t)roll(ENTRIES);
	request = &w->request[w->at];
	if (w->what == READ) {
		w->old_next = w->next;
		w->old_partial = w->partial;
		w->next += 1 + roll(2);
		w->partial = roll(2) ? w->next : 0;
		return true;
	}
	if ((w->what == ADD || w->what == ADD_FAILED) == (request->position != 0))
		return false;
	if (w->what == ADD || w->what == ADD_FAILED) {
		w->number++;
		snprintf(w->text[w->at], sizeof(w->text[0]), "// job: %u\n@main = %.*s",
			 (unsigned int)(1000 + w->number), (int)roll(150),
			 "1111111111111111111111111111111111111111111111111111111111111111111111111111111111"
			 "11111111111111111111111111111111111111111111111111111111111111111111");
		*request = (struct job_request){
			.id = 1000 + w->number,
			.position = w->number,
			.publisher = 5,
			.text = w->text[w->at],
			.length = strlen(w->text[w->at]),
		};
		w->failed[w->at] = false;
	}
	return true;
}

static void killed_at_each_instruction(void **state)
{
	const size_t shared = sizeof(struct seen) + journal_bytes(ENTRIES, ROOM);
	struct stepper *s = step_open(shared, sizeof(*world));
	const char *wrong;

	(void)state;
	world = step_rest(s);
	world->seen = step_shared(s);
	world->seed = 42;
	journal_format(&world->journal, world->seen->journal, ENTRIES, ROOM);
	while (step_more(counts, WHATS, POINTS)) {
		struct step_op op = { .call = call, .died = died, .arg = world };

		if (!choose())
			continue;
		world->published = world->seen->published;
		wrong = step_run(s, &op, &counts[world->what]);
		if (wrong)
			fail_msg("%s", wrong);
		if (world->what == FAIL)
			world->failed[world->at] = true;
		/* answered, or there was no room for it */
		if (world->what == ANSWER || world->request[world->at].entry == 0)
			world->request[world->at] = JOB_REQUEST_NONE;
	}
	assert_int_equal(step_report("journal", counts, WHATS), 0);
	step_close(s);
}

static void what_does_not_fit_is_refused_and_nothing_is_lost(void **state)
{
	struct journal journal;
	struct job_request request = { .position = 1, .publisher = 5 };
	char text[ROOM] = "@main = 1";

	(void)state;
	assert_int_equal(journal_open(&journal, 3, ROOM), 0);
	request.text = text;
	request.length = sizeof(text);
	assert_int_equal(journal_add(&journal, &request, 1, NULL, NULL), 0);
	request.length = 1;
	assert_int_equal(journal_add(&journal, &request, 1, NULL, NULL), -ENOSPC);
	request.entry = 1;
	journal_answered(&journal, &request);
	for (int i = 0; i < 3; i++)
		assert_int_equal(journal_add(&journal, &request, 1, NULL, NULL), 0);
	assert_int_equal(journal_add(&journal, &request, 1, NULL, NULL), -ENOSPC);
	journal_close(&journal);
}

static void damage_is_seen(void **state)
{
	struct journal journal;
	struct job_request request = { .position = 1, .publisher = 5 };
	const char *why;

	(void)state;
	request.text = (char[]){ "@main = 1" };
	request.length = 9;
	assert_int_equal(journal_open(&journal, 3, ROOM), 0);
	assert_int_equal(journal_add(&journal, &request, 1, NULL, NULL), 0);
	assert_int_equal(journal_check(&journal, &why), 0);
	journal.entries[0].length = ROOM + 1;
	assert_int_equal(journal_check(&journal, &why), -EBADMSG);
	journal.entries[0].length = 9;
	journal.entries[0].state = 9;
	assert_int_equal(journal_check(&journal, &why), -EBADMSG);
	journal.entries[0].state = JOURNAL_TAKEN;
	memset(journal.entries[0].name, 'a', sizeof(journal.entries[0].name));
	assert_int_equal(journal_check(&journal, &why), -EBADMSG);
	journal_close(&journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_each_instruction),
		cmocka_unit_test(what_does_not_fit_is_refused_and_nothing_is_lost),
		cmocka_unit_test(damage_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
