"""contact_sheet.py - pages of thumbnails say what is in the job, and stand alone"""
# time limit: 300 s
import base64
import html.parser
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import system_lib as lib

PICTURES = 450
PIPELINE = """name: sheet
input: {paths: ["in/*.jsonl"], format: jsonl, key: id,
        columns: {data: bytes, boxes: list<box>, width: i64, height: i64}}
shard: {bytes: 8KiB}
"""
NASTY = ["a/<b>&\"c\".png", "../up.png", "naïve 猫.png", "'quoted'.png", "plain", "]]>--><script>"]
NAMES = "cat\n<dog> & \"co\"\n"


class Page(html.parser.HTMLParser):
    """Figures of a page: key, text, picture; and its links."""

    def __init__(self, path):
        super().__init__()
        self.figures, self.links, self.tags, self.is_caption = [], [], set(), False
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        attrs = dict(attrs)
        if tag == "figure":
            self.figures.append({"lines": [""], "image": None, "size": None})
        elif tag == "img":
            self.figures[-1]["image"] = attrs["src"]
            self.figures[-1]["size"] = (int(attrs["width"]), int(attrs["height"]))
        elif tag == "figcaption":
            self.is_caption = True
        elif tag == "br":
            self.figures[-1]["lines"].append("")
        elif tag == "a":
            self.links.append(attrs["href"])

    def handle_endtag(self, tag):
        if tag == "figcaption":
            self.is_caption = False

    def handle_data(self, data):
        if self.is_caption:
            self.figures[-1]["lines"][-1] += data
        elif self.figures and "no picture" in data:
            self.figures[-1]["none"] = data


def make_rows():
    rows = []
    for number in range(PICTURES):
        key = NASTY[number] if number < len(NASTY) else "p%04d.png" % number
        content = lib.png(300 + number % 7, 100, number)
        boxes = [[10 * i, 5, 10 * i + 30, 50, 0.5 + i / 20, i % 2] for i in range(number % 4)]
        if number == 10:
            content = content[:60]
        rows.append({"id": key, "data": base64.b64encode(content).decode(), "boxes": boxes,
                     "width": 300 + number % 7, "height": 100})
    rows[11]["boxes"] = None
    rows[12]["data"] = None
    return rows


def export(work, job, out, *words):
    status, _, err = work.millrace("export", job, "--format", "contact-sheet", "--out", out,
                                   *words)
    work.check(status == 0, "contact sheet %s: it is written" % " ".join(words[:2]), err)
    pages = {}
    for name in sorted(os.listdir(out)):
        pages[name] = Page(os.path.join(out, name))
    return pages


def compare(work, pages, rows, what):
    figures = [figure for _, page in sorted(pages.items()) for figure in page.figures]
    work.equal([figure["lines"][0] for figure in figures], [row["id"] for row in rows],
               what + ": every key, in order")
    wrong = []
    for number, (figure, row) in enumerate(zip(figures, rows)):
        count = len(row["boxes"] or ())
        seen = ("not looked at" if row["boxes"] is None else
                "%d box%s" % (count, "" if count == 1 else "es"))
        size = "%d × %d, %s" % (row["width"], row["height"], seen)
        names = ", ".join("%s %.2f" % (("cat", "<dog> & \"co\"")[int(box[5])], box[4])
                          for box in row["boxes"] or ())
        if figure["lines"][1] != size or figure["lines"][2:] != ([names] if names else []):
            wrong.append((figure["lines"], size, names))
        has_none = number in (10, 12)
        image = base64.b64decode((figure["image"] or ",").split(",", 1)[1])
        if has_none != ("none" in figure) or (not has_none and (
                image[:3] != b"\xff\xd8\xff" or image[-2:] != b"\xff\xd9"
                or figure["size"] != (240, round(100 * 240 / row["width"])))):
            wrong.append((number, figure.get("none"), figure["size"], image[:4]))
    work.check(not wrong, what + ": sizes, names, scores and pictures", wrong[:3])


def main():
    work = lib.Workplace("sheet", 290)
    rows = make_rows()
    work.write("in/a.jsonl", lib.as_lines(rows))
    path, job = work.write("sheet.yaml", PIPELINE), work.path("sheet.job")
    work.ran(work.millrace("run", path, "--job", job, "--quiet"), "a job of pictures and boxes")
    names = work.write("names", NAMES)
    pages = export(work, job, work.path("one"), "--threads", "1", "--classes", names)
    work.equal({name: len(page.figures) for name, page in pages.items()},
               {"000000.html": 200, "000001.html": 200, "000002.html": 50},
               "pages of 200 pictures")
    work.equal([page.links for _, page in sorted(pages.items())],
               [["000001.html"], ["000000.html", "000002.html"], ["000001.html"]],
               "pages lead to each other")
    work.check(not any(re.search(r"https?:|<script|<link|@import", page.text)
                       for page in pages.values()) and
               not any(page.tags & {"script", "link", "iframe"} for page in pages.values()),
               "pages need nothing from elsewhere")
    compare(work, pages, rows, "one thread")
    four = export(work, job, work.path("four"), "--threads", "4", "--classes", names)
    work.check({name: page.text for name, page in pages.items()}
               == {name: page.text for name, page in four.items()},
               "four threads write the same bytes")
    files = work.path("files")
    for row in rows[20:30]:
        work.write("files/" + row["id"], base64.b64decode(row["data"]))
    work.write("up.png", base64.b64decode(rows[20]["data"]))
    from_files = export(work, job, work.path("files.sheet"), "--pictures", files)
    figures = from_files["000000.html"].figures
    work.check("below the folder" in figures[1].get("none", ""), "keys do not leave the folder",
               figures[1])
    work.check(all("none" not in figure for figure in figures[20:30]) and "none" in figures[30]
               and figures[20]["image"] == pages["000000.html"].figures[20]["image"],
               "pictures of files are those of the column")
    status, _, err = work.millrace("export", job, "--format", "contact-sheet", "--out",
                                   work.path("x"), "--picture", "boxes")
    work.check(status == 2 and "no column \"boxes\" of pictures" in err,
               "a column that holds none is refused", err)
    work.finish()


main()
