#!/usr/bin/env bash
# pipelines.sh - every file in pipelines/ runs as it stands, on a small corpus
. "$(dirname "$0")/../lib.sh"

# The files name their data as ../data/...: a tree of that shape is laid out for them.
mkdir -p "$work/data/corpus" "$work/pipelines"
write_corpus "$work/data/corpus/some.jsonl" 500
write_byte_vocabulary "$work/data/cl100k_base.tiktoken"

for file in pipelines/*.yaml; do
    name=$(basename "$file")
    cp "$file" "$work/pipelines/"
    job=$work/${name%.yaml}.job
    check "$name is found right" millrace check "$work/pipelines/$name"
    check "$name runs" millrace run "$work/pipelines/$name" --job "$job" --quiet
    check "$name is verified" millrace verify "$job"
    check_match "$name emits every record" "$job/status.json" '"records":{"read":500,"emitted":500,'
    check "$name shows records" test "$(millrace show "$job" | wc -l)" -ge 50
    check_match "$name is named by its file" "$file" "^name: ${name%.yaml}\$"
done
finish
