#!/usr/bin/python3
"""read_boxes.py - read exported boxes as annotation tools do, with Python's own library alone

    read_boxes.py FORMAT PATH

prints a JSON line for each image. Each reader gives {name of the image: (width, height, boxes)},
a box being (x1, y1, x2, y2, score, name of the class); None where a format does not say.
Written after the descriptions of the formats, not after millrace.
"""
import json
import os
import sys
import xml.etree.ElementTree

IMAGE_ENDS = (".bmp", ".dng", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp")


def need(holds, *what):
    if not holds:
        raise ValueError(" ".join(map(str, what)))


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def add(found, name, *image):
    need(name not in found, "there are two images", repr(name))
    found[name] = image


def files_of(folder, end):
    """Paths below the folder; nothing else may be there."""
    for place, _, names in os.walk(folder):
        for name in names:
            need(name.endswith(end), "a stray file", os.path.join(place, name))
            yield os.path.relpath(os.path.join(place, name), folder)


def coco_dataset(path):
    data = read_json(path)
    categories = {entry["id"]: entry["name"] for entry in data["categories"]}
    images = {entry["id"]: entry for entry in data["images"]}
    need(len(images) == len(data["images"]), "two images of one id")
    need(len(categories) == len(data["categories"]) and 0 not in categories, "categories")
    ids = [entry["id"] for entry in data["annotations"]]
    need(ids == list(range(1, len(ids) + 1)), "ids of annotations")
    boxes = {number: [] for number in images}
    for entry in data["annotations"]:
        x, y, width, height = entry["bbox"]
        need(entry["iscrowd"] == 0 and abs(entry["area"] - width * height)
             <= 1e-6 * max(1, entry["area"]), "annotation", entry)
        boxes[entry["image_id"]].append((x, y, x + width, y + height, entry["score"],
                                         categories[entry["category_id"]]))
    found = {}
    for number, entry in images.items():
        add(found, entry["file_name"], entry["width"], entry["height"], boxes[number])
    return found


def coco(path):
    """By the id of the image, the class by the id of the category."""
    found = {}
    for entry in read_json(path):
        need(set(entry) == {"image_id", "category_id", "bbox", "score"}, entry)
        x, y, width, height = entry["bbox"]
        found.setdefault(entry["image_id"], (None, None, []))[2].append(
            (x, y, x + width, y + height, entry["score"], entry["category_id"]))
    return found


def yolo(folder, sizes):
    """As Ultralytics finds the labels of the images that data.yaml lists; `sizes`: of images by
    their path, which it would have from the images."""
    yaml = read_text(os.path.join(folder, "data.yaml")).splitlines()
    need(yaml[:2] == ["train: images.txt", "val: images.txt"] and yaml[3].startswith("names:"), yaml)
    names = [json.loads(line.split(": ", 1)[1]) for line in yaml[4:]]
    need([line.split(":")[0] for line in yaml[4:]] == ["  %d" % i for i in range(len(names))]
         and yaml[2] == "nc: %d" % len(names), "names", yaml)
    need(read_text(os.path.join(folder, "classes.txt")).splitlines() == names, "classes.txt")
    found, seen = {}, {"data.yaml", "classes.txt", "images.txt"}
    for line in read_text(os.path.join(folder, "images.txt")).splitlines():
        need(line.startswith("./"), line)
        head, tail = ("/" + line[2:]).rsplit("/images/", 1)
        label = (head + "/labels/" + tail).lstrip("/")
        if label.lower().endswith(IMAGE_ENDS):  # nothing else is an image to Ultralytics
            label = label.rsplit(".", 1)[0]
        label += ".txt"
        seen.add(label)
        width, height = sizes[line[2:]]
        boxes = []
        for row in read_text(os.path.join(folder, label)).splitlines():
            words = row.split(" ")
            number, x, y, w, h = int(words[0]), *map(float, words[1:5])
            need(len(words) in (5, 6) and all(0 <= value <= 1 for value in (x, y, w, h)), row)
            boxes.append(((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width,
                          (y + h / 2) * height, float(words[5]) if len(words) > 5 else None,
                          names[number]))
        add(found, line[2:], width, height, boxes)
    need(set(files_of(folder, (".txt", ".yaml"))) == seen, "files", seen)
    return found


def voc(folder):
    """Edges as they stand there."""
    found = {}
    for path in files_of(folder, ".xml"):
        need(path.startswith("Annotations/"), path)
        root = xml.etree.ElementTree.parse(os.path.join(folder, path)).getroot()
        need(root.tag == "annotation" and root.findtext("size/depth") == "3"
             and root.findtext("source/database") and root.findtext("segmented") == "0", path)
        boxes = []
        for entry in root.findall("object"):
            need(entry.findtext("difficult") == entry.findtext("truncated") == "0"
                 and entry.findtext("pose"), path)
            boxes.append(tuple(int(entry.findtext("bndbox/" + edge))
                               for edge in ("xmin", "ymin", "xmax", "ymax"))
                         + (None, entry.findtext("name")))
        name = root.findtext("path")
        need(name.rsplit("/", 1)[-1] == root.findtext("filename")
             and ("/" + name).rsplit("/", 2)[-2] == (root.findtext("folder") or ""), path)
        add(found, name, int(root.findtext("size/width")), int(root.findtext("size/height")), boxes)
    return found


def labelme(folder):
    """Known by the folder that they stand in and the image's name."""
    found = {}
    for path in files_of(folder, ".json"):
        data = read_json(os.path.join(folder, path))
        need(data["imageData"] is None and data["flags"] == {} and data["version"], path)
        boxes = []
        for shape in data["shapes"]:
            need(shape["shape_type"] == "rectangle" and shape["group_id"] is None, shape)
            (x1, y1), (x2, y2) = shape["points"]
            boxes.append((x1, y1, x2, y2, shape["score"], shape["label"]))
        add(found, os.path.join(os.path.dirname(path), data["imagePath"]), data["imageWidth"],
            data["imageHeight"], boxes)
    return found


def label_studio(path):
    found = {}
    for task in read_json(path):
        boxes, size = [], (None, None)
        prediction, = task["predictions"]
        for entry in prediction["result"]:
            need((entry["type"], entry["from_name"], entry["to_name"], entry["image_rotation"])
                 == ("rectanglelabels", "label", "image", 0), entry)
            size = entry["original_width"], entry["original_height"]
            value = entry["value"]
            name, = value["rectanglelabels"]
            x, y, width, height = (value[side] / 100 * size[i % 2] for i, side
                                   in enumerate(("x", "y", "width", "height")))
            boxes.append((x, y, x + width, y + height, entry["score"], name))
        need(len({entry["id"] for entry in prediction["result"]}) == len(boxes), "ids")
        add(found, task["data"]["image"], *size, boxes)
    return found


def cvat(path):
    root = xml.etree.ElementTree.parse(path).getroot()
    need(root.tag == "annotations" and [entry.tag for entry in root[:2]] == ["version", "meta"]
         and root.findtext("version") == "1.1", "head")
    labels = {entry.text for entry in root.findall("meta/task/labels/label/name")}
    found = {}
    numbers = []
    for image in root.findall("image"):
        numbers.append(int(image.get("id")))
        boxes = []
        for box in image:
            need(box.tag == "box" and box.get("label") in labels and box.get("occluded") == "0"
                 and box.get("z_order") == "0", box.attrib)
            boxes.append(tuple(float(box.get(edge)) for edge in ("xtl", "ytl", "xbr", "ybr"))
                         + (None, box.get("label")))
        add(found, image.get("name"), int(image.get("width")), int(image.get("height")), boxes)
    need(numbers == sorted(set(numbers)), "numbers of images")
    return found


def megadetector(path, sizes):
    """`sizes`: of images by file. A failure stands in the place of an image's boxes."""
    data = read_json(path)
    need(data["info"]["format_version"] == "1.4", data["info"])
    found = {}
    for entry in data["images"]:
        if "failure" in entry:
            need(entry["detections"] is None, entry)
            add(found, entry["file"], None, None, entry["failure"])
            continue
        width, height = sizes[entry["file"]]
        boxes = []
        for detection in entry["detections"]:
            x, y, w, h = detection["bbox"]
            boxes.append((x * width, y * height, (x + w) * width, (y + h) * height,
                          detection["conf"], data["detection_categories"][detection["category"]]))
        add(found, entry["file"], width, height, boxes)
    return found


READERS = {"coco": coco, "coco-dataset": coco_dataset, "voc": voc, "labelme": labelme,
           "label-studio": label_studio, "cvat": cvat}

if __name__ == "__main__":
    for image_name, content in READERS[sys.argv[1]](sys.argv[2]).items():
        print(json.dumps([image_name, *content]))
