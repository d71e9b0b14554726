#!/usr/bin/env bash
# valgrind.sh - no process of a full run leaks or reads what it should not
# time limit: 600 s
. "$(dirname "$0")/../lib.sh"

command -v valgrind >/dev/null || skip_all 'there is no valgrind'

write_corpus "$work/a.jsonl" 300
gzip -k "$work/a.jsonl"
write_byte_vocabulary "$work/bytes.tiktoken"
cat >"$work/p.yaml" <<'END'
name: p
input: {paths: [a.jsonl, a.jsonl.gz], format: jsonl, text: text, key: id}
shard: {bytes: 8KiB}
stages:
  - normalize: {form: NFC}
  - tokenize: {vocabulary: bytes.tiktoken, pattern: cl100k}
limits: {silence: 120s, record_time: 300s}
END

# under NAME COMMAND...: every process that the command starts leaves a log of its own.
under() {
    local name=$1
    shift
    check_exit "$name ends well under valgrind" 0 env TMPDIR="$work" \
        valgrind --quiet --trace-children=yes --leak-check=full --show-leak-kinds=definite,possible \
        --errors-for-leak-kinds=definite,possible --num-callers=20 --log-file="$work/$name.%p.log" "$@"
    if [ -z "$(find "$work" -name "$name.*.log" -size +0)" ]; then
        ok "$name leaks nothing and reads nothing wrong"
    else
        not_ok "$name leaks nothing and reads nothing wrong"
        find "$work" -name "$name.*.log" -size +0 -exec head -n 40 {} + | sed 's/^/# /'
    fi
}

under check "$MILLRACE" check "$work/p.yaml"
under stages "$MILLRACE" stages tokenize
under run "$MILLRACE" run "$work/p.yaml" --job "$work/p.job" --executors 2 --quiet
logs=("$work"/run.*.log)
check 'the coordinator, its worker and two executors were watched' test "${#logs[@]}" -ge 4
under verify "$MILLRACE" verify "$work/p.job"
under show "$MILLRACE" show "$work/p.job" --limit 5
finish
