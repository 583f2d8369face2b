#!/usr/bin/env bash
# Ten seconds of the soak (docs/testing.md). Timeout: 120
exec "$B/tests/soak/soak" 0.17 "$$"
