/* samples.h - honest terms, an honest grant, a refusal and an offer, for tests of the handshake. */
#ifndef TESTS_TOPIC_SAMPLES_H
#define TESTS_TOPIC_SAMPLES_H

#include "topic/handshake.h"

#include <errno.h>
#include <plx/subscriber.h>

static const struct plx_terms TERMS = {
	.version_min = 1,
	.version_max = 1,
	.reading = PLX_READ_LOSSY,
	.polling = true,
	.history = 17,
	.type = 0xfeed,
	.quota = 3,
	.patience_ns = 1234567890123,
	.topic = "robot/camera",
};

static const struct plx_grant GRANT = {
	.version = 1,
	.segment = 0x1111222233334444,
	.link = 0x5555666677778888,
	.data_size = 1 << 20,
	.link_size = 4096,
	.start = 12345,
	.slot_size = 4096,
	.depth = 256,
	.slots = 64,
	.history = 16,
	.quota = 8,
	.type = 0xfeed,
};

static const struct plx_refusal REFUSAL = {
	.error = EUSERS,
	.version_min = 1,
	.version_max = 1,
	.type = 0xfeed,
	.text = "no room",
};

static const struct plx_offer OFFER = { "robot/camera", 0xfeed, 3, 10 };

#endif
