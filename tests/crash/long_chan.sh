#!/usr/bin/env bash
# A channel's participants killed ten thousand times, for each kind of channel; what became of each message.
#
# make test-long T=chan; CHAN_KILLS, CHAN_SECONDS (for each kind), CHAN_SEED as in test_chan_history.c.
# Timeout: 3600
: "${CHAN_KILLS:=10000}" "${CHAN_SECONDS:=600}"
export CHAN_KILLS CHAN_SECONDS
exec "$B/tests/crash/test_chan_history"
