# lib.sh - what the system tests share
#
# A test begins with:   . "$(dirname "$0")/../lib.sh"
# and runs in the root of the tree. It prints TAP through the functions below and ends with
# `finish`. $work is a folder of its own, removed at the end; what it leaves running is
# killed by tests/run.
# shellcheck shell=bash

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
ROOT=$PWD
MILLRACE=${MILLRACE:-$ROOT/millrace}
MILLRACE_TEST=${MILLRACE_TEST:-$ROOT/build/millrace-test} # with the stages of tests/stages
if [ -z "${MILLRACE_SHARED:-}" ] && [ -d ../shared/data ]; then
    MILLRACE_SHARED=$(cd ../shared/data && pwd)
fi
MILLRACE_SHARED=${MILLRACE_SHARED:-}
export MILLRACE MILLRACE_TEST MILLRACE_SHARED
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1

work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-test.XXXXXX")
tests_run=0
tests_failed=0
trap 'rm -rf "$work"' EXIT

ok() { # WHAT
    tests_run=$((tests_run + 1))
    echo "ok $tests_run - $*"
}

not_ok() { # WHAT
    tests_run=$((tests_run + 1))
    tests_failed=$((tests_failed + 1))
    echo "not ok $tests_run - $*"
}

note() { printf '# %s\n' "$@"; }

skip() { # WHAT, WHY: one test that cannot be run here
    tests_run=$((tests_run + 1))
    echo "ok $tests_run # SKIP $1: $2"
}

skip_all() { # WHY
    echo "1..0 # SKIP $*"
    exit 77
}

# check WHAT COMMAND...: the command succeeds.
check() {
    local what=$1 status=0
    shift
    "$@" >"$work/check.log" 2>&1 || status=$?
    if [ "$status" -eq 0 ]; then
        ok "$what"
    else
        not_ok "$what"
        note "exit $status of: $*"
        tail -n 20 "$work/check.log" | sed 's/^/# /'
    fi
}

# check_exit WHAT STATUS COMMAND...: it exits so. Its output stays in $work/out and
# $work/err.
check_exit() {
    local what=$1 want=$2 status=0
    shift 2
    "$@" >"$work/out" 2>"$work/err" || status=$?
    if [ "$status" -eq "$want" ]; then
        ok "$what"
    else
        not_ok "$what"
        note "exit $status, not $want, of: $*"
        tail -n 20 "$work/err" | sed 's/^/# /'
    fi
}

# check_equal WHAT GOT WANT
check_equal() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1"
        note "got:  $2" "want: $3"
    fi
}

# check_match WHAT FILE EXTENDED-EXPRESSION
check_match() {
    if grep -qE -- "$3" "$2"; then
        ok "$1"
    else
        not_ok "$1"
        note "no line matches: $3"
        tail -n 20 "$2" | sed 's/^/# /'
    fi
}

finish() {
    echo "1..$tests_run"
    [ "$tests_failed" -eq 0 ]
    exit
}

millrace() { "$MILLRACE" "$@"; }

digest_of() { "$MILLRACE" digest "$1" 2>&1; } # JOB

# A vocabulary in which every byte is a token: no file from outside is needed.
write_byte_vocabulary() { # FILE
    local byte
    for byte in {0..255}; do
        printf '%s %d\n' "$(printf "\\x$(printf %02x "$byte")" | base64)" "$byte"
    done >"$1"
}

# COUNT documents in some scripts as JSON lines with id, text, lang.
write_corpus() { # FILE COUNT
    awk -v count="$2" 'BEGIN {
        split("the quick brown fox|der schnelle braune Fuchs|le renard brun rapide|" \
              "быстрая коричневая лиса|素早い茶色の狐|빠른 갈색 여우", texts, "|")
        split("en|de|fr|ru|ja|ko", languages, "|")
        for (i = 0; i < count; i++) {
            k = i % 6 + 1
            text = ""
            for (j = 0; j <= i % 17; j++) text = text texts[k] " " i * 31 + j ". "
            printf "{\"id\": \"d%d\", \"lang\": \"%s\", \"text\": \"%s\"}\n", i, languages[k], text
        }
    }' >"$1"
}

# The real vocabulary, of a make run before this or of the shared data; empty: neither.
real_vocabulary() {
    local path
    for path in "$ROOT/data/cl100k_base.tiktoken" \
        "$MILLRACE_SHARED/vocab/tiktoken/cl100k_base.tiktoken"; do
        if [ -f "$path" ]; then
            echo "$path"
            return
        fi
    done
}

# ONNX Runtime's library as stages find it, or nothing.
onnx_library() {
    local path=${MILLRACE_ONNXRUNTIME:-$ROOT/data/libonnxruntime.so.1}
    [ ! -f "$path" ] || echo "$path"
}

# Wait up to SECONDS until COMMAND succeeds; fails when it does not.
wait_for() { # SECONDS COMMAND...
    local tries=$(($1 * 50))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.02
    done
}

# Is there a process of that number, and not just its remains?
is_running() { # PID
    local state
    state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null)
    [ -n "$state" ] && [ "${state:0:1}" != Z ]
}
is_gone() { ! is_running "$1"; }

# How many millrace processes run whose command line names the text (a job, a folder).
processes_of() { # TEXT
    local file count=0
    for file in /proc/[0-9]*/cmdline; do
        if tr '\0' ' ' 2>/dev/null <"$file" | grep -aF -- "$1" | grep -qa millrace; then
            count=$((count + 1))
        fi
    done
    echo "$count"
}
