#!/bin/sh
# test_transport_mpi.sh - run the MPI transport's tests on several ranks
# usage: test_transport_mpi.sh TEST_PROGRAM MODULE
set -u
program=$1
export MILLRACE_MPI_MODULE="$2"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

if ! command -v mpirun >/dev/null || [ ! -e "$MILLRACE_MPI_MODULE" ]; then
    echo "1..0 # SKIP there is no MPI here"
    exit 77
fi

failed=0
number=0
run() { # NAME RANKS ARGUMENT [MPIRUN OPTIONS]
    name=$1 ranks=$2 argument=$3
    shift 3
    number=$((number + 1))
    if timeout -k 5 120 mpirun --oversubscribe --mca btl_tcp_if_include lo \
        --mca oob_tcp_if_include lo "$@" -n "$ranks" "$program" "$argument" \
        >"$log" 2>&1; then
        echo "ok $number - $name"
        grep '^mpi:' "$log" | sed 's/^/# /'
    else
        echo "not ok $number - $name"
        sed 's/^/# /' "$log"
        failed=1
    fi
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run "one rank needs no transport" 1 suite
run "the suite holds on 2 ranks" 2 suite
run "the suite holds on 4 ranks" 4 suite
run "the suite holds over tcp" 2 suite --mca btl self,tcp
run "peers are numbered as they are heard" 3 numbers
run "idle ranks leave the CPU alone" 4 idle
run "a rank that dies stops nobody" 2 death --enable-recovery
grep -q survived "$log" || { echo "# nobody survived"; failed=1; }
echo "1..$number"
exit $failed
