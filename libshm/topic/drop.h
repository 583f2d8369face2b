/* drop.h - a reader drops what it has read out of all caches, when its publisher would like that. */
#ifndef PLX_TOPIC_DROP_H
#define PLX_TOPIC_DROP_H

#include "topic/reader.h"

/**
 * plx_reader_drop() - everything from the cursor we told up to the next message: entries, and slots if @slots.
 *
 * Nothing changes by it but how long the publisher takes to write there (topic/distance.h). Where the processor cannot: nothing.
 */
void plx_reader_drop(const struct plx_reader *reader, bool slots) plx_cold;

/** plx_reader_stay_behind() - we have caught up, and our publisher had rather we had not: wait a moment, if that has helped. */
void plx_reader_stay_behind(struct plx_reader *reader) plx_cold;

#endif
