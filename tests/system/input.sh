#!/usr/bin/env bash
# input.sh - damaged and mixed input gives the same results however it is cut and shared out
. "$(dirname "$0")/../lib.sh"

# Plain files, small ones, gzip members and zstd frames; blank lines, lines that are not JSON
# or UTF-8 or too long, a stream cut short, one with a wrong bit, one without any data.
python3 - "$work/in" <<'END'
import gzip, json, os, random, shutil, subprocess, sys
folder = sys.argv[1]
os.makedirs(folder + '/small')
random.seed(7)

def line(i):
    kind = random.random()
    if kind < .01: return b''
    if kind < .02: return b'{"text":"bad\xff"}'
    if kind < .03: return b'{"text":"cut'
    if kind < .035: return json.dumps({'text': 'x' * 60000}).encode()
    text = 'w\u00f6rd %d ' % i * random.randrange(1, 40)
    return json.dumps({'text': text}, ensure_ascii=False).encode()

def lines(count): return b'\n'.join(line(i) for i in range(count)) + b'\n'
def write(name, data): open(os.path.join(folder, name), 'wb').write(data)

write('a.jsonl', lines(2000))
two = gzip.compress(lines(2000), mtime=0) + gzip.compress(lines(2000), mtime=0)
write('b.gz', two[:len(two) * 3 // 4])
write('d.gz', b'\x1f\x8b\x08')
for i in range(30): write('small/%02d' % i, lines(5)[:-1])
write('small/empty', b'')
if shutil.which('zstd'):
    def pack(data): return subprocess.run(['zstd', '-qc'], input=data, check=True,
                                          stdout=subprocess.PIPE).stdout
    frames = bytearray(pack(lines(2000)) + pack(lines(2000)))
    frames[len(frames) * 2 // 3] ^= 0x10
    write('c.zst', bytes(frames))
END

run_with() { # FORMAT SHARD EXECUTORS: leaves $work/job
    local text=
    [ "$1" != jsonl ] || text=', text: text'
    rm -rf "$work/job"
    cat >"$work/p.yaml" <<END
name: p
input: {paths: [in], format: $1, max_record: 50KiB$text}
shard: {bytes: $2}
stages:
  - normalize: {}
END
    "$MILLRACE" run "$work/p.yaml" --job "$work/job" --executors "$3" --quiet
}

for format in jsonl lines text; do
    expected=
    for way in '4KiB 1' '4KiB 2' '50KiB 2' '16MiB 1' '16MiB 2'; do
        # shellcheck disable=SC2086 # two words
        check "$format in shards of ${way/ / with executors: }" run_with $format $way
        check 'it verifies' "$MILLRACE" verify "$work/job"
        digest=$("$MILLRACE" digest "$work/job")
        "$MILLRACE" show "$work/job" --rejects --limit 100000 >"$work/rejects"
        found="$digest $(cksum <"$work/rejects")"
        expected=${expected:-$found}
        check_equal 'results and rejects are the same' "$found" "$expected"
    done
    check_match 'the cut stream is told' "$work/rejects" truncated_input
done
finish
