/*
 * name.c - topic names.
 *
 * A name is checked by walking its parts: between two slashes there is at least one byte, and not only one or two
 * dots. The directory of a topic is its name with '+' for '/', so topics do not nest on disk and one level is all
 * there is to list; '+' is not allowed in a name, so the way back is unique.
 */
#include "topic/name.h"

#include <errno.h>
#include <string.h>

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
	       c == '_' || c == '-';
}

/* A part is not empty, and not a name the file system has a meaning for. */
static bool part_ok(const char *part, size_t length)
{
	if (length == 0)
		return false;
	return !(part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.')));
}

int plx_topic_check(const char *topic)
{
	size_t i, from = 0;

	for (i = 0; i <= PLX_TOPIC_MAX; i++) {
		if (topic[i] == '\0')
			return part_ok(topic + from, i - from) ? 0 : -EINVAL;
		if (topic[i] == '/') {
			if (!part_ok(topic + from, i - from))
				return -EINVAL;
			from = i + 1;
		} else if (!is_name_byte(topic[i])) {
			return -EINVAL;
		}
	}
	return -EINVAL;
}

static void swap(char *to, const char *from, char old, char new)
{
	size_t i;

	for (i = 0; i < PLX_TOPIC_MAX && from[i] != '\0'; i++)
		to[i] = from[i] == old ? new : from[i];
	to[i] = '\0';
}

void plx_topic_encode(char dir[PLX_TOPIC_MAX + 1], const char *topic)
{
	swap(dir, topic, '/', '+');
}

int plx_topic_decode(char topic[PLX_TOPIC_MAX + 1], const char *dir)
{
	char copy[PLX_TOPIC_MAX + 1];

	if (strlen(dir) > PLX_TOPIC_MAX || strchr(dir, '/'))
		return -EINVAL;
	swap(copy, dir, '+', '/');
	if (plx_topic_check(copy) < 0)
		return -EINVAL;
	memcpy(topic, copy, sizeof(copy));
	return 0;
}
