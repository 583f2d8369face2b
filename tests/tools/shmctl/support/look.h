/* look.h - runs shmctl, reads what it says, and gives it something to look at. */
#ifndef TESTS_SHMCTL_LOOK_H
#define TESTS_SHMCTL_LOOK_H

#include "tests/support/support.h"

#include <json-c/json.h>
#include <plx/plx.h>

typedef struct json_object json;

/* Others publish and test on this machine too: a topic of our own, and assertions only about it. */
extern char topic_name[40];

/** Of a group: the topic is shmctl-test/PID. It fails where there is no shmctl to run. */
int look_setup(void **state);
int look_teardown(void **state);

/* ---- running it ---- */

extern char *answer; /* what it printed last, stdout and stderr */

/** Run shmctl with @arguments (words for the shell; @ is our topic); returns its exit code. */
int shmctl(const char *arguments);
/** @text is in the answer. */
void says(const char *text);
/** The answer, which is JSON. */
json *parsed(void);
json *field(json *object, const char *key);
uint64_t number(json *object, const char *key);
const char *text(json *object, const char *key);
/** The @index-th of those elements of object[list] whose @key is @value. */
json *pick(json *object, const char *list, const char *key, const char *value, int index);
/** The segment of that kind which belongs to our topic. */
json *segment(json *object, const char *kind);

/* ---- something to look at ---- */

extern struct plx_publisher *publisher;

/** For child_at_work() too. */
void open_publisher(void *unused);
void publish(int count);
/** A publisher with six messages, of which a subscriber has read four and kept two; one slot is on loan. */
pid_t open_scene(void);
void close_scene(pid_t reader);

#endif
