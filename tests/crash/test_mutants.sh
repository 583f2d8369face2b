#!/usr/bin/env bash
# Mutants of public headers are named by what stands there: who changes that changes them, too.
command -v perl >/dev/null || exit 77
exec "$(dirname "$0")/mutants" places
