"""same_bytes.py - the same digest for executors, shard sizes, transports and retold input"""
# time limit: 900 s
import io
import os
import random
import shutil
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import onnx_model
import system_lib as lib

DOCUMENTS = 1500
SHARDS = ("1KiB", "64KiB", "1MiB", "16MiB")
EXECUTORS = (1, 2, 3, 8)

ONE_PHASE = """name: one
input: {paths: [%s], format: jsonl, text: text, key: id, columns: {lang: utf8, n: i64}}
shard: {bytes: 64KiB}
stages:
  - normalize: {form: NFC, whitespace: collapse}
  - filter: {min_length: 60, max_length: 6000}
  - filter: {column: n, max: 900}
  - tokenize: {vocabulary: %s, pattern: cl100k}
  - exec:
      command: [sed, -u, -E, 's/^.*"lang": ?"([a-z0-9]*)".*$/{"mark": "<\\1>"}/']
      adds: [utf8 mark]
output: {columns: [key, text, lang, tokens, mark]}
store: {volume: 256KiB, seal: 300ms}
"""

TWO_PHASES = """name: two
phases:
  - name: first
    input: {paths: [%s], format: jsonl, text: text, key: id, columns: {lang: utf8, n: i64}}
    shard: {bytes: 64KiB}
    stages:
      - filter: {min_length: 60}
      - tokenize: {vocabulary: %s, pattern: cl100k}
    exchange: {by: %s, buckets: 7}
  - name: second
    input: {phase: first}
    stages:
      - normalize: {form: NFKC}
      - filter: {column: n, max: 900}
    output: {columns: [key, lang, n, tokens, text]}
store: {volume: 256KiB, seal: 300ms}
"""


# The stages that make records of others, and what random numbers they draw.
TRAINING = """name: training
phases:
  - name: first
    input: {paths: [%s], format: jsonl, text: text, key: id, columns: {lang: utf8, n: i64}}
    shard: {bytes: 64KiB}
    stages:
      - tokenize: {vocabulary: %s, pattern: cl100k}
      - filter: {column: n, max: 700}
    output: {columns: [key, tokens]}
    exchange: {by: random(5), buckets: 6}
  - name: second
    input: {phase: first}
    stages:
%s
store: {volume: 256KiB, seal: 300ms}
"""
IDS = "mask_token: 300, cls_token: 301, sep_token: 302, vocabulary_size: 267"
MAKERS = {
    "roberta": """      - pack: {length: 100, end_token: 302, short: pad, pad_token: 303}
      - mask_tokens: {%s, special_tokens: [303], copies: 3, frame: true}
      - filter: {column: token_count, min: 100}
""" % IDS,
    "bert": """      - mask_tokens: {task: next_sentence, %s, sentence_ends: [46, 10], copies: 2}
""" % IDS,
    "albert": """      - mask_tokens: {task: sentence_order, unit: span, %s, sentence_ends: [46, 32]}
""" % IDS,
    "electra": """      - mask_tokens: {task: two_segments, unit: none, %s, sentence_ends: [46, 10]}
""" % IDS,
    "t5": """      - pack: {length: 568, documents: whole}
      - span_corruption: {first_sentinel: 999, end_token: 1}
"""}

BOXES = """name: boxes
input: {paths: [%s], format: jsonl, key: id, columns: {boxes: list<box>, others: list<box>}}
shard: {bytes: 64KiB}
stages:
%s
store: {volume: 256KiB, seal: 300ms}
"""
# Every way to merge boxes, one behind the other.
MERGES = """  - merge_boxes: {method: nmm, metric: ios, threshold: 0.8}
  - merge_boxes: {method: soft_nms, columns: [boxes, others], sigma: 0.6}
  - merge_boxes: {method: soft_nms, decay: linear, threshold: 0.7, min_score: 0.01}
  - merge_boxes: {method: greedy_nmm, metric: ios, threshold: 0.7, keep_unmerged: true}
  - merge_boxes: {method: nmw, threshold: 0.4, columns: [others, boxes], weights: [1, 2]}
  - merge_boxes: {method: wbf, threshold: 0.3, columns: [boxes, others], fusion: absent_model}
  - merge_boxes: {threshold: 0.2}"""

IMAGES = """name: images
input: {paths: [%s], format: %s}
shard: {bytes: 8KiB}
stages:
  - phash
  - image_stats
  - resize: {width: 40, height: 30, fit: cover, filter: lanczos}
  - resize: {column: image, into: small, scale: 0.5, output: jpeg}
output: {columns: [key, width, height, format, phash, sharpness, contrast, image, small]}
store: {volume: 256KiB, seal: 300ms}
"""


class Sameness:
    """Runs one pipeline in many ways and compares what comes out."""

    def __init__(self, work, name, pipeline):
        self.work, self.name = work, name
        self.pipeline = work.write(name + ".yaml", pipeline)
        self.digests, self.shown = {}, {}
        self.phases = ["first", "second"] if "\nphases:" in pipeline else [None]

    def job(self):
        return self.work.path("%s-%d.job" % (self.name, len(self.digests)))

    def note(self, how, job, result):
        """Compare a job that was run with those before it, and remove it."""
        work, what = self.work, "%s, %s" % (self.name, how)
        if work.ran(result, what + ": it runs"):
            work.verified(job, what)
            status = lib.status_of(job)
            work.check(lib.account_holds(status) and status["state"] == "finished",
                       what + ": the account holds", status)
            option = [("--phase", name) if name else () for name in self.phases]
            self.digests[how] = " ".join(work.digest(job, *words) for words in option)
            shown = work.text("show", job)
            if not self.shown:
                self.shown = {how: shown}
                self.first = (how, self.digests[how], shown)
                work.check(shown.count("\n") > 100, what + ": records come out", shown[:300])
            else:
                work.equal(self.digests[how], self.first[1], what + ": the same digest")
                work.check(shown == self.first[2], what + ": the same records in one order")
        shutil.rmtree(job, ignore_errors=True)

    def run(self, how, *words):
        job = self.job()
        result = self.work.millrace("run", self.pipeline, "--job", job, "--quiet", *words)
        self.note(how, job, result)

    def tcp(self):
        """Three workers that come over TCP, and none of the coordinator's own."""
        work, job = self.work, self.job()
        child = work.start(lib.MILLRACE, "run", self.pipeline, "--job", job, "--quiet",
                           "--workers", "0", "--bind", "tcp://127.0.0.1:0")
        workers = [work.start(lib.MILLRACE, "worker", "--job", job, "--executors", "1")
                   for _ in range(3)]
        status = work.wait(child)
        joined = lib.read_text(os.path.join(job, "log", "coordinator.log"))
        self.note("three workers over tcp", job, (status, "", lib.read_text(child.log)))
        for worker in workers:
            # One that came too late to join waits for the next coordinator; no other may.
            if "process %d," % worker.pid not in joined:
                worker.terminate()
            work.equal(work.wait(worker, 10), 0, self.name + ": a worker over tcp ends with 0")

    def mpi(self, ranks, *words):
        what = "mpirun -n %d" % ranks
        if not shutil.which("mpirun") or not os.path.exists(
                os.path.join(lib.ROOT, "millrace-mpi.so")):
            self.work.skip("%s, %s" % (self.name, what), "no mpirun or no millrace-mpi.so here")
            return
        job = self.job()
        result = self.work.run("mpirun", "-n", ranks, lib.MILLRACE, "run", self.pipeline, "--job",
                               job, "--quiet", *words)
        self.note(what, job, result)


def forms(work):
    """The same documents as one file, as one .zst, and as ten .gz: a path for each."""
    rows = list(lib.documents(DOCUMENTS))
    work.write("plain/a.jsonl", lib.as_lines(rows))
    work.write("zst/a.jsonl.zst", lib.zstd(lib.as_lines(rows)))
    tenth = len(rows) // 10
    for part in range(10):
        content = lib.as_lines(rows[part * tenth:(part + 1) * tenth])
        work.write("gz/part-%d.jsonl.gz" % part, lib.gzip_bytes(content))
    return {"plain": work.path("plain/*.jsonl"), "zst": work.path("zst/*.zst"),
            "gz": work.path("gz/*.gz")}


def compare_one_phase(work, paths, words):
    shown = {}
    for form, path in paths.items():
        same = Sameness(work, form, ONE_PHASE % (lib.json.dumps(path), words))
        same.run("1 executor", "--executors", "1")
        shown[form] = same.first[2] if same.shown else form
        for count in EXECUTORS[1:] if form == "plain" else (3,):
            same.run("%d executors" % count, "--executors", str(count))
        for size in SHARDS if form == "plain" else SHARDS[:3:2]:
            same.run("shards of " + size, "--set", "shard.bytes=" + size)
        same.run("two workers", "--workers", "2", "--executors", "2")
        same.tcp()
        if form == "plain":
            same.mpi(2)
        same.mpi(5, "--executors", "1")
    for form in ("zst", "gz"):
        work.check(shown[form] == shown["plain"], "show prints the same for %s and plain" % form)


def compare_two_phases(work, paths, words):
    for by, name, forms_used in (("hash(lang)", "hash", ("plain",)),
                                 ("random(42)", "random", ("plain", "gz"))):
        for form in forms_used:
            path = lib.json.dumps(paths[form])
            same = Sameness(work, "%s-%s" % (name, form), TWO_PHASES % (path, words, by))
            same.run("1 executor", "--executors", "1")
            same.run("3 executors", "--executors", "3")
            same.run("small shards, two workers", "--workers", "2", "--executors", "2", "--set",
                     "phases.0.shard.bytes=4KiB")
            same.run("a hundred volumes", "--set", "phases.0.shard.bytes=4KiB", "--set",
                     "store.volume=4KiB")
            if form == "plain":
                same.run("one shard", "--set", "phases.0.shard.bytes=16MiB")
                same.tcp()
                same.mpi(3, "--executors", "1")


def compare_training(work, paths, words):
    for name, stages in MAKERS.items():
        same = Sameness(work, name, TRAINING % (lib.json.dumps(paths["plain"]), words, stages))
        same.run("1 executor", "--executors", "1")
        same.run("3 executors", "--executors", "3")
        same.run("small shards, two workers", "--workers", "2", "--executors", "2", "--set",
                 "phases.0.shard.bytes=4KiB")
        if name in ("roberta", "bert"):
            same.mpi(3, "--executors", "1")


def some_boxes(draw):
    """Up to forty boxes, many on each other and some of equal scores."""
    rows = []
    for _ in range(draw.randrange(41)):
        x, y = draw.random() * 100, draw.random() * 100
        width, height = 5 + draw.random() * 40, 5 + draw.random() * 40
        rows.append([x, y, x + width, y + height, round(draw.random(), 2), draw.randrange(3)])
    return rows


def compare_boxes(work):
    draw = random.Random(11)
    rows = [{"id": "b%d" % i, "boxes": some_boxes(draw), "others": some_boxes(draw)}
            for i in range(400)]
    work.write("boxes/a.jsonl", lib.as_lines(rows))
    same = Sameness(work, "boxes", BOXES % (lib.json.dumps(work.path("boxes/a.jsonl")), MERGES))
    same.run("1 executor", "--executors", "1")
    same.run("3 executors", "--executors", "3")
    same.run("small shards, two workers", "--workers", "2", "--executors", "2", "--set",
             "shard.bytes=4KiB")
    same.mpi(3, "--executors", "1")
    known = "64b50fc15438c02108a0ba90f38a250e"
    if same.digests:
        work.equal(same.digests["1 executor"], known, "boxes: the digest is the same everywhere")


def compare_images(work):
    """The same pictures in a folder and in a tar file, and some that are damaged."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in range(130):
            content = lib.png(30 + number, 140 - number, number)
            if number % 10 == 9:
                content = content[:len(content) // 2]
            work.write("pictures/%03d.png" % number, content)
            info = tarfile.TarInfo("%03d.png" % number)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    work.write("tars/a.tar", out.getvalue())
    for form, path in (("images", "pictures"), ("tar", "tars")):
        same = Sameness(work, "pictures-" + form,
                        IMAGES % (lib.json.dumps(work.path(path)), form))
        same.run("1 executor", "--executors", "1")
        same.run("3 executors", "--executors", "3")
        same.run("shards of 1KiB, two workers", "--workers", "2", "--executors", "2", "--set",
                 "shard.bytes=1KiB")
        same.run("one shard", "--set", "shard.bytes=16MiB")
        same.tcp()
        same.mpi(3, "--executors", "1")


DETECT = """name: detect
input: {paths: [%s], format: images}
shard: {bytes: 8KiB}
stages:
  - detect: {model: %s, family: centernet_dla, threshold: 0.55, scales: [1, 0.5],
      head_options: {activation: probabilities}, tile: {overlap: 0.3}, border: 1,
      batch: 8, merge: {method: nms}}
  - detect: {model: %s, family: centernet_dla, threshold: 0.5, scales: [1.5, 0.5],
      head_options: {activation: probabilities}, focus: {threshold: 0.3, small: 4},
      full_image: false, merge: {method: soft_nms}, batch: 4, max_boxes: 40}
output: {columns: [key, boxes, views]}
store: {volume: 256KiB, seal: 300ms}
"""


DRAW = """name: draw
input: {paths: [%s], format: images}
shard: {bytes: 8KiB}
stages:
  - detect: {model: %s, family: centernet_dla, threshold: 0.55,
      head_options: {activation: probabilities}}
  - draw: {output: png, width: 1}
  - crop: {column: drawn, margin: 0.2, max_objects: 5, min_side: 4, output: jpeg}
output: {columns: [key, source, data, box, score]}
store: {volume: 256KiB, seal: 300ms}
"""


def compare_detection(work):
    """Detectors: what is batched together, and where, does not show."""
    if not lib.onnx_library():
        work.skip("detection", "no ONNX Runtime: pipelines/prepare_onnxruntime data")
        return
    for number in range(130):
        content = lib.png(60 + number, 170 - number, number)
        work.write("photos/%03d.png" % number,
                   content[:len(content) // 2] if number % 10 == 9 else content)
    model = lib.json.dumps(work.write("small.onnx", onnx_model.detector()))
    same = Sameness(work, "detect",
                    DETECT % (lib.json.dumps(work.path("photos/*.png")), model, model))
    same.run("1 executor", "--executors", "1")
    same.run("3 executors", "--executors", "3")
    same.run("shards of 1KiB, two workers", "--workers", "2", "--executors", "2", "--set",
             "shard.bytes=1KiB")
    same.run("one shard", "--set", "shard.bytes=16MiB")
    same.tcp()
    same.mpi(3, "--executors", "1")
    same = Sameness(work, "draw", DRAW % (lib.json.dumps(work.path("photos/*.png")), model))
    same.run("1 executor", "--executors", "1")
    same.run("shards of 1KiB, two workers", "--workers", "2", "--executors", "2", "--set",
             "shard.bytes=1KiB")
    same.mpi(3, "--executors", "1")


FACES = """name: faces
input: {paths: [%s], format: images}
shard: {bytes: 512KiB}
stages:
  - mtcnn: {models: %s, min_face: 60}
output: {columns: [key, boxes, landmarks]}
"""


def compare_faces(work):
    """MTCNN's networks, where they are, on photos with faces."""
    shared = lib.shared_data()
    if not shared or not lib.onnx_library():
        work.skip("faces", "no shared data or no ONNX Runtime here")
        return
    same = Sameness(work, "faces", FACES % (
        lib.json.dumps(os.path.join(shared, "images/photos/*.jpg")),
        lib.json.dumps(os.path.join(shared, "models"))))
    same.run("1 executor", "--executors", "1")
    same.run("shards of 1KiB, two workers", "--workers", "2", "--executors", "2", "--set",
             "shard.bytes=1KiB")
    same.mpi(3, "--executors", "1")


def compare_real(work):
    """Real documents with a real vocabulary, where they are."""
    shared, path = lib.shared_data(), lib.real_vocabulary()
    if not shared or not path:
        work.skip("real documents and a real vocabulary", "no shared data here")
        return
    sample = os.path.join(shared, "corpus/sample.jsonl.zst")
    reader = lib.subprocess.Popen(["zstd", "-dcq", sample], stdout=lib.subprocess.PIPE)
    content = reader.stdout.read(3 << 20)
    reader.kill()
    reader.stdout.close()
    reader.wait()
    content = content[:content.rindex(b"\n") + 1]
    work.write("real/a.jsonl", content)
    pipeline = ONE_PHASE.replace("lang: utf8, n: i64", "lang: utf8").replace(
        "  - filter: {column: n, max: 900}\n", "")
    same = Sameness(work, "real",
                    pipeline % (lib.json.dumps(work.path("real/*.jsonl")), lib.json.dumps(path)))
    same.run("1 executor", "--executors", "1")
    same.run("shards of 1MiB, 8 executors", "--executors", "8", "--set", "shard.bytes=1MiB")
    same.tcp()
    same.mpi(2)


def main():
    work = lib.Workplace("same", 880)
    words = lib.json.dumps(work.write("words.tiktoken", lib.vocabulary()))
    paths = forms(work)
    compare_one_phase(work, paths, words)
    compare_two_phases(work, paths, words)
    compare_training(work, paths, words)
    compare_boxes(work)
    compare_images(work)
    compare_detection(work)
    compare_faces(work)
    compare_real(work)
    work.finish()


main()
