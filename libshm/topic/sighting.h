/* sighting.h - the names of sockets in a topic's directory. */
#ifndef PLX_TOPIC_SIGHTING_H
#define PLX_TOPIC_SIGHTING_H

#include "topic/discovery.h"

enum plx_sighting_kind {
	PLX_SIGHTING_OTHER = 0,  /* not ours: left alone */
	PLX_SIGHTING_SOCKET = 1, /* "PID-ID.sock": listens, or its publisher is dead */
	PLX_SIGHTING_NEW = 2,    /* ".PID-ID.new": does not listen yet */
};

/** plx_sighting_parse() - what a name in the directory is; *@seen is set unless it is OTHER. */
enum plx_sighting_kind plx_sighting_parse(struct plx_sighting *seen, const char *name);

/** plx_sighting_name() - the name of a publisher's socket; @temporary: before it listens. */
void plx_sighting_name(char name[48], uint32_t pid, uint64_t id, bool temporary);

#endif
