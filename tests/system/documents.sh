#!/usr/bin/env bash
# documents.sh - README and the manual page say what the program does, no more and no less
. "$(dirname "$0")/../lib.sh"

# ---- README ----
bare() { sed -E 's/ *#.*//; /^$/d'; }
sed -n '/^```yaml$/,/^```$/p' README.md | grep -v '^```' | bare >"$work/readme.yaml"
bare <pipelines/corpus-tokens.yaml >"$work/file.yaml"
check 'the pipeline explained is the one that runs' diff "$work/readme.yaml" "$work/file.yaml"

printf '%s\n' 'name: p' 'input: {paths: ["*.jsonl"], format: jsonl, text: text}' 'stages:' \
    '  - tokenize: {vocabulry: v}' >"$work/p.yaml"
write_corpus "$work/a.jsonl" 3
(cd "$work" && "$MILLRACE" check p.yaml) >"$work/said" 2>&1
example=$(grep -o 'p\.yaml:4:16: .*' README.md)
check 'the mistake shown is told in these words' grep -qF -- "$example" "$work/said"

for command in $(grep -oE '^ +\./millrace [a-z]+' README.md | awk '{ print $2 }' | sort -u); do
    check "there is millrace $command" "$MILLRACE" "$command" --help
done
for target in $(grep -oE '\bmake (run|test|help|bench|chaos|man)\b' README.md |
    awk '{ print $2 }' | sort -u); do
    check "there is make $target" grep -qE "^$target:.* ## " Makefile
done
for link in $(grep -oE '\]\([^):#]+\)' README.md ARCHITECTURE.md cluster/README.md |
    sed -E 's/^([^:]*):\]\(([^)]*)\)$/\1 \2/' | awk '{ sub("[^/]*$", "", $1); print $1 $2 }'); do
    check "there is a file $link" test -e "$link"
done

# ---- docs/millrace.1: each command's options, in the page and in --help ----
options_of_page() { # COMMAND, or eval KIND
    awk -v command="$1" '/^\.S[SH]/ { on = $1 == ".SS" && ($3 == command || $3 " " $4 == command) } on' \
        docs/millrace.1 |
        grep -E '^\.SS|^\.B[RI]* \\-\\-' | sed 's/\\-/-/g' |
        grep -oE -- '--[a-z]+' | sort -u
}
options_of_help() { # COMMAND, or eval KIND
    # shellcheck disable=SC2086 # two words
    "$MILLRACE" $1 --help 2>&1 | grep -oE '^ +--[a-z]+' | tr -d ' ' |
        grep -vx -- --help | sort -u
}
sed -nE 's/^\.SS millrace (eval [a-z]+|[a-z]*).*/\1/p' docs/millrace.1 >"$work/commands"
while read -r command; do
    check_equal "the page and --help agree on $command" \
        "$(options_of_page "$command" | tr '\n' ' ')" "$(options_of_help "$command" | tr '\n' ' ')"
done <"$work/commands"
finish
