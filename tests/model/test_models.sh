#!/usr/bin/env bash
# The models of docs/testing.md, with few messages. Timeout: 180
exec "$(dirname "$0")/check"
