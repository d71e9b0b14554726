#!/usr/bin/env bash
# check.sh - millrace check and millrace stages as a user meets them
. "$(dirname "$0")/../lib.sh"

write_corpus "$work/a.jsonl" 20
gzip -c "$work/a.jsonl" >"$work/b.jsonl.gz"
write_byte_vocabulary "$work/v.tiktoken"
cat >"$work/p.yaml" <<'END'
name: p
phases:
  - name: clean
    input: {paths: ["*.jsonl", "*.gz"], format: jsonl, text: text, key: id}
    stages:
      - normalize
      - filter: {min_length: 1}
    exchange: {by: random(7), buckets: 4}
  - name: tokens
    input: {phase: clean}
    stages:
      - tokenize: {vocabulary: v.tiktoken, pattern: cl100k}
    output: {columns: [key, tokens]}
END
cd "$work" || exit 1

# ---- check ----
check_exit 'a right pipeline exits 0' 0 "$MILLRACE" check p.yaml
cp "$work/out" "$work/plan"
check_equal 'and says nothing on standard error' "$(cat "$work/err")" ''
check_equal 'the plan fits 80 columns' "$(awk 'length > 80' "$work/plan")" ''
check_match 'it counts the files by kind' "$work/plan" '2 files, .*: 1 plain .*, 1 gzip'
check_match 'it names the columns that a stage reads' "$work/plan" '^ +in:  text$'
check_match 'it names the columns that a stage adds' "$work/plan" 'out: tokens list<u32>$'
check_match 'it names the buckets' "$work/plan" 'at random \(seed 7\) into 4 buckets'
check_match 'it names the output' "$work/plan" 'output +key utf8, tokens list<u32>$'
check_match 'it says how much space is needed and free' "$work/plan" \
    '^space needed: about .* free in this folder: '
check_exit 'it takes --set' 0 "$MILLRACE" check p.yaml --set phases.0.exchange.buckets=9
check_match 'and does as it says' "$work/out" 'into 9 buckets'
check_equal 'nothing is written' "$(find . -name '*.job')" ''

check_exit 'a wrong --set exits 2' 2 "$MILLRACE" check p.yaml --set phases.0.shrad.bytes=9
check_match 'and is told with its column' "$work/err" \
    '^--set:1:10: unknown key "shrad" in phase clean; did you mean "shard"\?$'
sed -i 's/min_length/minlength/; s/columns: \[key/colums: [key/' p.yaml
check_exit 'a wrong pipeline exits 2' 2 "$MILLRACE" check p.yaml
check_match 'the first error has its place' "$work/err" '^p.yaml:7:18: unknown key "minlength"'
check_match 'the last error too' "$work/err" '^p.yaml:13:14: unknown key "colums" in the output; did you mean'
check_equal 'there are no others' "$(wc -l <"$work/err")" 2
check_equal 'and no plan' "$(cat "$work/out")" ''
printf 'name: x\ninput: {paths: [none], format: lines}\n' >q.yaml
check_exit 'an input without files exits 2' 2 "$MILLRACE" check q.yaml
check_match 'and is told at its place' "$work/err" '^q.yaml:2:17: .*none'
check_exit 'a file that is not there exits 2' 2 "$MILLRACE" check r.yaml
check_match 'and is named' "$work/err" '^r.yaml: cannot read it: No such file'
check_exit 'no pipeline at all exits 2' 2 "$MILLRACE" check
check_exit 'two pipelines exit 2' 2 "$MILLRACE" check p.yaml q.yaml
check_exit 'an unknown option exits 2' 2 "$MILLRACE" check p.yaml --sets a=b
check_match 'with a suggestion' "$work/err" 'did you mean "--set"'
cd "$ROOT" || exit 1

# ---- stages ----
check_exit 'stages lists all of them' 0 "$MILLRACE" stages
check_equal 'in the order of stages.def' "$(cut -d' ' -f1 "$work/out" | tr '\n' ' ')" \
    "$(sed -n 's/^STAGE(\(.*\))/\1/p' stages/stages.def | tr '\n' ' ')"
for name in $(cut -d' ' -f1 "$work/out"); do
    check_exit "stages $name exits 0" 0 "$MILLRACE" stages "$name"
    check_equal "stages $name fits 80 columns" "$(awk 'length > 80' "$work/out")" ''
done
check_exit 'an unknown stage exits 2' 2 "$MILLRACE" stages tokenise
check_match 'with a suggestion' "$work/err" 'did you mean "tokenize"'
check_exit '--json is printed' 0 "$MILLRACE" stages --json
check '--json is JSON with every option' python3 -c '
import json, sys
stages = {s["name"]: s for s in json.load(open(sys.argv[1]))}
options = {o["name"]: o for o in stages["tokenize"]["options"]}
assert options["vocabulary"]["required"] and options["pattern"]["default"] == "auto"
' "$work/out"
check_exit '--man is printed' 0 "$MILLRACE" stages --man
if command -v man >/dev/null; then
    cp "$work/out" "$work/stages.7"
    for page in "$work/stages.7" docs/millrace-pipeline.5; do
        check_exit "man reads ${page##*/}" 0 env MANROFFSEQ='' LC_ALL=C.UTF-8 MANWIDTH=80 \
            man --warnings -l "$page"
        check_equal "without a warning" "$(cat "$work/err")" ''
    done
else
    skip 'man reads the pages' 'there is no man here'
fi

# ---- the page of the pipeline file names every key that is known ----
for section in '' input shard store limits output; do
    printf 'name: x\n%s: {zzzzzz: 1}\n' "${section:-qqqqqq}" >"$work/k.yaml"
    "$MILLRACE" check "$work/k.yaml" 2>&1 | grep -E 'zzzzzz|qqqqqq' |
        sed -nE 's/.*known (are|is) //p' | sed 's/, / /g; s/ and / /g'
done | tr ' ' '\n' | sort -u >"$work/keys"
check 'keys are found' test "$(wc -l <"$work/keys")" -ge 20
while read -r key; do
    check_match "the page names $key" docs/millrace-pipeline.5 "\\b$key\\b"
done <"$work/keys"
finish
