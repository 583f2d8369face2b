/* name.h - what a topic may be called, and what its directory is called then. */
#ifndef PLX_TOPIC_NAME_H
#define PLX_TOPIC_NAME_H

#include "topic/handshake_layout.h"

/**
 * plx_topic_check() - is it a topic's name?
 *
 * 1 to PLX_TOPIC_MAX of A-Z a-z 0-9 . _ - / ; no leading, trailing or double slash, no part "." or "..".
 *
 * Return: 0 or -EINVAL.
 * Safety: any thread; reads at most PLX_TOPIC_MAX + 1 bytes.
 */
int plx_topic_check(const char *topic) plx_must_check;

/** plx_topic_encode() - the name of its directory: '/' becomes '+', which no topic contains. @topic is valid. */
void plx_topic_encode(char dir[PLX_TOPIC_MAX + 1], const char *topic);

/** plx_topic_decode() - the topic of a directory. Return: 0, or -EINVAL: not a topic's directory. */
int plx_topic_decode(char topic[PLX_TOPIC_MAX + 1], const char *dir) plx_must_check;

#endif
