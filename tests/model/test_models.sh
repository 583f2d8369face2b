#!/usr/bin/env bash
# The models of docs/testing.md, with few messages. Timeout: 300
exec "$(dirname "$0")/check"
