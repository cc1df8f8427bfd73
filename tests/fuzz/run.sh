#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# `make fuzz`: links each target with libFuzzer and searches SECONDS each, from the kept inputs. A crasher is left in tests/fuzz/corpus.
cd "$(dirname "$0")/../.." || exit 1
bad=0
for target in "$@"; do
    kept=tests/fuzz/corpus/${target#fuzz_}
    # shellcheck disable=SC2086
    clang -fsanitize=fuzzer,address,undefined "$BUILD/tests/fuzz/$target.o" -o "$BUILD/$target" $LIBS || exit 1
    mkdir -p "$BUILD/found/$target" "$kept"
    echo "--- $target: ${SECONDS_EACH:-60} s"
    "$BUILD/$target" -max_total_time="${SECONDS_EACH:-60}" -max_len=4096 -print_final_stats=1 -verbosity=0 -artifact_prefix="$kept/" \
        "$BUILD/found/$target" "$kept" || bad=1
done
exit "$bad"
