"""measure_images.py - decoding, resizing, detecting and merging

Against libjpeg-turbo, libvips and ONNX Runtime alone, each on one thread; photos and detectors
are those of the shared data.
"""
import glob
import json
import os
import shutil
import subprocess
import sys

import bench_rivals
from bench_common import (CORES, MILLRACE, ROOT, SHARED, TOOLS, WORK, Missing, group, job, median,
                          row, say, shared_file, tool)

sys.path.insert(0, os.path.join(ROOT, "tests"))
import onnx_model  # pylint: disable=wrong-import-position

SIZES = ((1920, 1080, 640, 360), (4096, 3072, 1638, 1229), (640, 480, 320, 240),
         (500, 375, 640, 480))
COPIES = 10  # of the mosaic
CROWD = 33000
# With the tiles of their input's size that the mosaic has, a quarter in common.
DETECTORS = (("nanodet", "nanodet-g-416-coco.onnx", "1,3,416,416", 13 * 10),
             ("centernet", "centernet-mbv3-512-coco.onnx", "1,512,512,3", 11 * 8))


def images_pipeline(name, paths, stages, columns="key"):
    path = os.path.join(WORK, name + ".yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("name: %s\ninput: {paths: %s, format: images}\nshard: {bytes: 512KiB}\n"
                   "stages:\n%soutput: {columns: [%s]}\n" % (
                       name, json.dumps(paths), "".join("  - %s\n" % s for s in stages),
                       columns))
    return path


def measure_decoding(rounds):
    photos = sorted(glob.glob(os.path.join(SHARED, "images/photos/*.jpg")))
    if not photos:
        raise Missing("no images/photos: set MILLRACE_SHARED")
    found = json.loads(tool("bench_images", str(max(rounds, 5)), *photos))
    rate = found["pixels"] / found["ours_us"]
    row("JPEG decoded by our kernel", rate, "Mpixel/s")
    row("  against libjpeg-turbo alone", found["ours_us"] / found["libjpeg_us"], "x",
        "<= 1.05")
    stages = [("image_stats", "image_stats"), ("phash", "phash"),
              ("resize to 224", "resize: {width: 224, height: 224, fit: cover}")]
    for name, stage in stages:
        path = images_pipeline("images", photos, [stage])
        times = [job(path, "--executors", "1").cpu for _ in range(rounds)]
        row("a photo through %s" % name, 1000 * median(times) / found["pictures"], "ms CPU")
    return photos, rate


def build_vips():
    bench_rivals.settle("Debian's group bench", bench_rivals.install_debian)
    source = os.path.join(bench_rivals.RIVALS, "rival_vips.c")
    program = os.path.join(WORK, "rival_vips")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "vips"], check=False,
                           capture_output=True, text=True).stdout.split()
    done = subprocess.run(["cc", "-O2", "-o", program, source, *flags], check=False,
                          capture_output=True)
    if done.returncode != 0:
        raise Missing("libvips cannot be compiled against")
    return program


def measure_resizing(rounds):
    vips = build_vips()
    for kind in ("bilinear", "lanczos"):
        for sizes in SIZES:
            words = [kind, *map(str, sizes), "15"]
            ours, theirs = [], []
            for _ in range(rounds):
                ours.append(json.loads(tool("bench_resample", *words))["cpu_ms"])
                theirs.append(json.loads(subprocess.run(
                    [vips, *words], check=True, capture_output=True, text=True).stdout)["cpu_ms"])
            row("resize %dx%d to %dx%d, %s" % (*sizes, kind), median(ours), "ms CPU")
            row("  libvips, times ours", median(theirs) / median(ours), "x", ">= 1")


def need_onnxruntime():
    if subprocess.run(["pipelines/prepare_onnxruntime", "data"], check=False,
                      capture_output=True).returncode != 0:
        raise Missing("ONNX Runtime cannot be fetched")
    os.environ.setdefault("MILLRACE_ONNXRUNTIME",
                          os.path.join(ROOT, "data/libonnxruntime.so.1"))


def measure_overhead(rounds, rate):
    """Tiles of 640 by 640 through a model that does next to nothing."""
    mosaic = shared_file("images/faces/mosaic_faces_4096x3072.jpg")
    folder = os.path.join(WORK, "mosaics")
    os.makedirs(folder, exist_ok=True)
    for i in range(COPIES):
        link = os.path.join(folder, "%d.jpg" % i)
        if not os.path.lexists(link):
            os.symlink(mosaic, link)
    model = os.path.join(WORK, "glance.onnx")
    with open(model, "wb") as file:
        file.write(onnx_model.glance(640, 640))
    path = images_pipeline("glance", [folder], [
        "detect: {model: %s, head: end_to_end, full_image: false, tile: {width: 640, height: 640,"
        " overlap: 0.25}}" % json.dumps(model)])
    tiles = 9 * 7 * COPIES  # as SAHI places them
    alone = json.loads(tool("bench_session", model, "1,3,640,640", "200"))["cpu_ms"]
    cpu = 1000 * median(job(path, "--executors", "1").cpu for _ in range(rounds))
    decode = COPIES * 4096 * 3072 / rate / 1000
    row("a tile of 640x640 but decoding and inference", (cpu - decode) / tiles - alone, "ms CPU",
        "<= 1", note="decoding %.2f ms more, of an image of 63 tiles" % (decode / tiles))


def alone_side_by_side(model, shape, count):
    """ms that ONNX Runtime alone takes for one input, in `count` processes at once: what they
    share, as memory and caches, is the machine's matter and not ours."""
    words = [os.path.join(TOOLS, "bench_session"), model, shape, "60"]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    return median(json.loads(child.communicate()[0])["wall_ms"] for child in running)


def run_detection(rounds, what, path, views, model, shape, target):
    """The work of `views` runs of the model, on one and on all cores, ONNX Runtime alone beside
    it."""
    one, every, one_alone, every_alone = [], [], [], []
    for _ in range(rounds):
        one.append(job(path, "--executors", "1").wall)
        one_alone.append(alone_side_by_side(model, shape, 1))
        every.append(job(path, "--executors", str(CORES)).wall)
        every_alone.append(alone_side_by_side(model, shape, CORES))
    row("%s, one executor" % what, median(one), "s", note="%d views" % views)
    if CORES == 2:
        row("  two executors, times one", median(one) / median(every), "x", target and ">= 1.9",
            note="ONNX Runtime alone %.2f" % (2 * median(one_alone) / median(every_alone)))
    row("  all cores, of ONNX Runtime alone on as many",
        views * median(every_alone) / 1000 / CORES / median(every), "x", target,
        note="alone %.1f ms a view" % median(every_alone))


def measure_detection(rounds, photos):
    """Tiles of large pictures, and small pictures of which each must be decoded for one view."""
    for family, name, shape, tiles in DETECTORS:
        model = shared_file("models/" + name)
        detector = "model: %s, family: %s" % (json.dumps(model), family)
        mosaics = glob.glob(os.path.join(WORK, "mosaics/[0-5].jpg"))
        path = images_pipeline("tiles", mosaics,
                               ["detect: {%s, full_image: false, scales: [1]}" % detector])
        run_detection(rounds, family + ": %d large pictures" % len(mosaics), path,
                      tiles * len(mosaics), model, shape, ">= 0.95")
        path = images_pipeline("photos", photos, ["detect: {%s}" % detector])
        run_detection(rounds, family + ": photos", path, len(photos), model, shape, None)


def measure_faces(rounds, photos):
    """Photos brought to 1920 by 1080."""
    folder = os.path.join(WORK, "photos-1080")
    if not os.path.isdir(folder):
        path = images_pipeline("photos-1080", photos, [
            "resize: {width: 1920, height: 1080, fit: cover, output: jpeg}"], "key, image")
        made, partial = os.path.join(WORK, "photos-1080.job"), folder + ".partial"
        for old in (made, partial, folder + ".tar"):
            shutil.rmtree(old, ignore_errors=True)
        os.makedirs(partial)
        for words in (["run", path, "--job", made, "--quiet"],
                      ["export", made, "--format", "tar", "--out", folder + ".tar"]):
            subprocess.run([MILLRACE, *words], check=True, capture_output=True)
        for archive in glob.glob(folder + ".tar/*.tar"):
            subprocess.run(["tar", "-xf", archive, "-C", partial, "--wildcards", "*.jpg"],
                           check=True)
        os.rename(partial, folder)
    path = images_pipeline("faces", [folder], ["mtcnn: {models: %s, min_face: 40}" % json.dumps(
        shared_file("models"))])
    cpu = median(job(path, "--executors", "1").cpu for _ in range(rounds))
    row("mtcnn, 1920x1080, faces from 40 pixels, decoded", len(photos) / cpu, "images/s",
        ">= 20", note="a second of CPU")


def measure_merging():
    for method, target in (("nms", "<= 20"), ("greedy_nmm", "<= 20"), ("nmm", "<= 200")):
        found = [json.loads(line) for line in tool("bench_boxes", str(CROWD), "5", "crowded",
                                                   method).splitlines()]
        row("%d crowded boxes: %s" % (CROWD, method), max(f["ms"] for f in found), "ms", target)


def measure_images(rounds):
    group("images")
    try:
        photos, rate = measure_decoding(rounds)
    except Missing as missing:
        say("skipped: %s" % missing)
        return
    parts = ((measure_resizing, (rounds,)), (need_onnxruntime, ()), (measure_overhead, (rounds, rate)),
             (measure_detection, (rounds, photos)), (measure_faces, (rounds, photos)),
             (measure_merging, ()))
    for measure, words in parts:
        try:
            measure(*words)
        except Missing as missing:
            say("skipped: %s" % missing)
