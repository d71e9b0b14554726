"""eval.py - millrace eval: scores as pycocotools gives them, and every refusal"""
# time limit: 300 s
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import system_lib as lib

MEMORY_MAX = 150 << 10  # KiB
KEYS = ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar_100",
        "ar_small", "ar_medium", "ar_large"]

# Image 2: a cat found, a dog found in the wrong place; image 10: a cat that nobody found.
TRUTH = {"images": [{"id": 10}, {"id": 2}],
         "categories": [{"id": 5, "name": "dog"}, {"id": 3, "name": "cat"},
                        {"id": 9, "name": "no\nsuch " + "ｗ" * 20}],
         "annotations": [
             {"id": 1, "image_id": 2, "category_id": 3, "bbox": [0, 0, 40, 40], "area": 1600,
              "iscrowd": 0},
             {"id": 2, "image_id": 2, "category_id": 5, "bbox": [100, 0, 10, 10], "area": 100,
              "iscrowd": 0},
             {"id": 3, "image_id": 10, "category_id": 3, "bbox": [0, 0, 20, 20], "area": 400,
              "iscrowd": 0}]}
RESULTS = [{"image_id": 2, "category_id": 3, "bbox": [0, 0, 40, 40], "score": 0.5},
           {"image_id": 2, "category_id": 5, "bbox": [0, 100, 10, 10], "score": 0.5},
           {"image_id": 2, "category_id": 77, "bbox": [0, 0, 1, 1], "score": 1}]
HALF = 51 / 101  # one of two found: precision 1 up to recall 1/2


def write(work, name, value):
    text = value if isinstance(value, str) else lib.json.dumps(value)
    return work.write(name, text)


def evaluate(work, *words):
    status, out, err = work.millrace("eval", "coco", *words)
    return lib.json.loads(out) if status == 0 else {"stats": [], "error": err}


def close(got, want, tolerance=1e-12):
    return len(got) == len(want) and all(abs(a - b) < tolerance for a, b in zip(got, want))


def goldens(work):
    what = "the twelve numbers of the goldens"
    folder = lib.shared_data() and os.path.join(lib.shared_data(), "detect_goldens")
    if not folder or not os.path.exists(os.path.join(folder, "coco_eval.json")):
        return work.skip(what, "no detect_goldens in MILLRACE_SHARED")
    fixture = os.path.join(folder, "cocoapi_fixture")
    with open(os.path.join(folder, "coco_eval.json"), encoding="utf-8") as file:
        cases = lib.json.load(file)["cases"]
    for case in cases:
        truth = os.path.join(fixture, "instances_val2014_100.json")
        results = os.path.join(fixture, "instances_val2014_fakebbox100_results.json")
        if "gt" in case:
            truth = write(work, "golden.gt", case["gt"])
            results = write(work, "golden.dt", case["dt"])
        got = evaluate(work, "--gt", truth, "--results", results, "--json")
        work.check(close(got["stats"], case["stats"]), "%s: %s" % (what, case["name"]), got)
        if "stats_noncat" in case:
            got = evaluate(work, "--gt", truth, "--results", results, "--json",
                           "--class-agnostic")
            work.check(close(got["stats"], case["stats_noncat"]),
                       "%s, class-agnostic: %s" % (what, case["name"]), got)


def scores(work, truth, results):
    got = evaluate(work, "--gt", truth, "--results", results, "--json")
    work.check(close(got["stats"], [HALF / 2] * 3 + [0, 1, -1] + [0.25] * 3 + [0, 1, -1]),
               "the stats are those worked out by hand", got)
    work.equal(got["names"], KEYS, "they are named")
    work.equal([(row["id"], row["name"][:3], row["truths"], row["results"])
                for row in got["classes"]],
               [(3, "cat", 2, 1), (5, "dog", 1, 1), (9, "no\n", 0, 0)],
               "classes come by id, with names and counts")
    work.check(close([row["ap"] for row in got["classes"]], [HALF, 0, -1]),
               "each has its AP, -1 without truth", got["classes"])
    work.equal([got["images"], got["annotations"], got["results"],
                got["left_out"]["results_without_category"]], [2, 3, 2, 1],
               "what was read and left out is counted")

    status, out, err = work.millrace("eval", "coco", "--gt", truth, "--results", results)
    lines = out.splitlines()
    work.equal((status, lines[0]), (0, " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all"
                                    " | maxDets=100 ] = 0.252"), "the summary is pycocotools'")
    work.equal(lines[11], " Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | "
               "maxDets=100 ] = -1.000", "to its last line")
    work.equal(lines[14].split(), ["0.505", "0.505", "0.505", "0.000", "1.000", "-1.000", "2",
                                   "1", "cat"], "a line a class follows")
    wide = sum(2 if ord(letter) > 0x1100 else 1 for letter in lines[16])
    work.check(len(lines) == 17 and wide <= 80 and "no?such ｗｗ" in lines[16]
               and max(map(len, lines[:16])) <= 80, "in 80 columns", *lines)
    work.check("1 results are in categories that the data set does not list" in err,
               "what was left out is told", err)

    for words, want in ((["--classes", "cat"], HALF), (["--classes", "3,5"], HALF / 2),
                        (["--classes", "dog", "--classes", "cat"], HALF / 2),
                        (["--images", "2"], 0.5), (["--images", "10"], 0),
                        (["--images", "@" + work.write("ids", "10\r\n\n2\n")], HALF / 2),
                        (["--images", "2", "--classes", "cat"], 1),
                        (["--class-agnostic"], 34 / 101), (["--iou-type", "bbox"], HALF / 2)):
        got = evaluate(work, "--gt", truth, "--results", results, "--json", *words)
        work.check(close(got["stats"][:1], [want]), " ".join(words[:4])[:40], got)
    with open(results, "rb") as file:
        _, out, err = work.run("/bin/sh", "-c", '"$0" eval coco --gt "$1" --results - --json '
                               '<"$2"', lib.MILLRACE, truth, file.name)
    work.check(close(lib.json.loads(out or '{"stats": []}')["stats"][:1], [HALF / 2]),
               "results may come on standard input", out, err)


def refusals(work, truth, results):
    cases = [
        ([], 2, "--gt is missing"),
        (["--gt", truth], 2, "--results is missing"),
        (["--gt", truth, "--results", results, "more"], 2, '"more" is one too many'),
        (["--gt", truth, "--results", results, "--jsn"], 2, 'did you mean "--json"?'),
        (["--gt", "-", "--results", "-"], 2, "cannot both be standard input"),
        (["--gt", truth, "--results", results, "--iou-type", "segm"], 2, "boxes alone"),
        (["--gt", truth, "--results", results, "--classes", "cat,dgo"], 2, 'id "dgo"'),
        (["--gt", truth, "--results", results, "--images", "2,3"], 2, 'id "3"'),
        (["--gt", truth, "--results", results, "--images", "@none"], 2, 'open "none"'),
        (["--gt", truth, "--results", results, "--images", ","], 2, "names no image"),
        (["--gt", truth, "--results", results, "--classes", ""], 2, "names no class"),
        (["--gt", "none", "--results", results], 1, 'cannot open "none": No such file'),
        (["--gt", results, "--results", truth], 1, results + ":1:1: this is no data set"),
        (["--gt", truth, "--results", truth], 1, truth + ":1:1: results are an array"),
    ]
    for number, (content, message) in enumerate((
            ([dict(RESULTS[0], image_id=7)], ":1:2: [0]: image_id 7 is not among the images"),
            ([RESULTS[0], dict(RESULTS[0], bbox=[1, 2])], ": [1]: \"bbox\" is not four"),
            (lib.json.dumps(RESULTS).replace("0.5", "NaN"), ": [0]: a value is malformed; JSON"),
            (lib.json.dumps(RESULTS)[:-20], "; the file ends in it: is it whole?"),
            ("", ":1:1: the file ends where a JSON value is needed"))):
        wrong = write(work, "wrong.%d" % number, content)
        cases.append((["--gt", truth, "--results", wrong], 1, message))
    for words, want, message in cases:
        status, out, err = work.millrace("eval", "coco", *words)
        work.check(status == want and message in err and not out and err.count("\n") == 1,
                   "exit %d: %s" % (want, message[:50]), status, out, err)
    for words, want, message in ((["eval"], 2, "usage: millrace eval KIND"),
                                 (["eval", "coc"], 2, 'did you mean "coco"?'),
                                 (["eval", "--help"], 0, "  coco     COCO's twelve numbers"),
                                 (["eval", "coco", "--help"], 0, "  --classes A,B ")):
        status, out, err = work.millrace(*words)
        work.check(status == want and message in (err if want else out)
                   and max(map(len, (out + err).splitlines())) <= 80,
                   "exit %d: %s" % (want, " ".join(words)), status, out, err)


def large(work):
    """Some tens of MB of results in far less memory, which grows by less than 100 bytes a result."""
    chance = random.Random(1)
    images = list(range(1, 2001))
    truth = write(work, "large.gt", {
        "images": [{"id": image} for image in images], "categories": [{"id": 1, "name": "x"}],
        "annotations": [{"id": image, "image_id": image, "category_id": 1,
                         "bbox": [0, 0, 50, 50], "area": 2500, "iscrowd": 0,
                         "segmentation": [[0.5] * 500]} for image in images]})
    with open(work.path("large.dt"), "w", encoding="utf-8") as file:
        for i in range(300000):
            file.write('%s{"image_id": %d, "category_id": 1, "bbox": [0.125, 0, 50, %d], '
                       '"score": %.4f, "segmentation": {"counts": "%s"}}'
                       % (",\n" if i else "[", images[i % 2000], 20 + i % 40,
                          chance.random(), "x" * 100))
        file.write("]\n")
    child = work.start(lib.MILLRACE, "eval", "coco", "--gt", truth, "--results", file.name)
    most = 0
    while child.poll() is None:
        found = lib.re.search(r"VmHWM:\s*(\d+)", lib.read_text("/proc/%d/status" % child.pid))
        most = max(most, int(found.group(1)) if found else 0)
        lib.time.sleep(0.002)
    work.check(child.returncode == 0 and 0 < most < MEMORY_MAX,
               "%d MB are evaluated in less than %d MiB" % (os.path.getsize(file.name) // 10**6,
                                                            MEMORY_MAX >> 10),
               "exit %s, %d KiB" % (child.returncode, most), lib.read_text(child.log))
    print("# %d KiB for %d bytes" % (most, os.path.getsize(file.name)))


def main():
    work = lib.Workplace("eval", 300)
    truth = write(work, "truth.json", TRUTH)
    results = write(work, "results.json", RESULTS)
    scores(work, truth, results)
    refusals(work, truth, results)
    goldens(work)
    large(work)
    work.finish()


main()
