#!/usr/bin/env bash
# install.sh - make install makes a tree that works where it lies
. "$(dirname "$0")/../lib.sh"

unset MAKEFLAGS MAKELEVEL MAKEOVERRIDES
build=${MILLRACE_BUILD:-build}
check 'make install' make --no-print-directory install BUILD="${build#"$ROOT"/}" \
    DESTDIR="$work/root" PREFIX=/opt/millrace
top=$work/root/opt/millrace
check 'the executable is there and says its version' "$top/bin/millrace" --version
for page in man1/millrace.1 man5/millrace-pipeline.5 man7/millrace-stages.7; do
    check "$page is there and holds text" grep -q '^\.TH MILLRACE' "$top/share/man/$page"
done
if [ -e millrace-mpi.so ]; then
    check 'the MPI module is there' test -s "$top/lib/millrace/millrace-mpi.so"
else
    skip 'the MPI module is there' 'built without MPI'
fi
check 'make uninstall' make --no-print-directory uninstall BUILD="${build#"$ROOT"/}" \
    DESTDIR="$work/root" PREFIX=/opt/millrace
check_equal 'leaves no file' "$(find "$work/root" -type f)" ''
finish
