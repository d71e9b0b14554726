#!/usr/bin/env bash
# runner.sh - tests/run counts what passed, failed and was skipped, and ends what hangs
. "$(dirname "$0")/../lib.sh"

mkdir -p "$work/tree/tests/system"
cp tests/run "$work/tree/tests/"
script() { # NAME, its text on standard input
    { echo '#!/usr/bin/env bash'; cat; } >"$work/tree/tests/system/$1.sh"
}
run_all() { "$work/tree/tests/run" system; }
last() { tail -n 1 "$work/out"; }

script plain <<<'exit 0'
script tap <<<'printf "ok 1 - a\nok 2 - b # SKIP no room\n1..2\n"'
script skip <<<'echo "no network"; exit 77'
script groups <<<'printf "1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n"'
check_exit 'a run without a failure exits 0' 0 run_all
check_equal 'passed and skipped are counted' "$(last)" '5 passed, 0 failed, 2 skipped'
check_match 'a reason to skip is shown' "$work/out" 'skipped: no network'
check_equal 'the summary is left for CI' "$(cat "$work/tree/build/test-summary")" "$(last)"

script not_ok <<<'printf "ok 1 - a\nnot ok 2 - b\n1..2\n"; echo the reason; exit 1'
check_exit 'a failed point fails the run' 1 run_all
check_equal 'it is counted once' "$(last)" '6 passed, 1 failed, 2 skipped'
check_match 'its output is shown' "$work/out" 'the reason'
rm "$work/tree/tests/system/not_ok.sh"

script short <<<'printf "1..3\nok 1 - a\n"'
check_exit 'a test that ends early fails' 1 run_all
check_match 'and it is said why' "$work/out" 'planned 3 tests and ran 1'
rm "$work/tree/tests/system/short.sh"

script killed <<<'kill -SEGV $$'
check_exit 'a test that is killed fails' 1 run_all
check_match 'by its signal' "$work/out" 'killed by SIGSEGV'
rm "$work/tree/tests/system/killed.sh"

script hangs <<END
# time limit: 1 s
sleep 300 & echo \$! >"$work/left"
wait
END
check_exit 'a test that hangs fails' 1 run_all
check_match 'at its limit' "$work/out" 'ran past its limit of 1 s'
check 'and leaves nothing running' wait_for 5 is_gone "$(cat "$work/left")"

rm "$work/tree/tests/system/"*
check_exit 'a run of no tests fails' 1 run_all
finish
