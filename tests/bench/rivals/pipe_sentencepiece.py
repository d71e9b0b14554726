#!/usr/bin/python3
"""pipe_sentencepiece.py - JSON lines in, ids out, by SentencePiece's Python binding

    zstd -dc FILE | pipe_sentencepiece.py MODEL >IDS

For each document its number of ids and the ids, as 32-bit numbers. A batch of texts goes to
the C++ code in one call.
"""
import array
import json
import sys

import sentencepiece

BATCH = 256


def main():
    model = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])
    texts = []

    def write():
        out = array.array("I")
        for ids in model.encode(texts, num_threads=1):
            out.append(len(ids))
            out.extend(ids)
        sys.stdout.buffer.write(out.tobytes())
        texts.clear()

    for line in sys.stdin.buffer:
        texts.append(json.loads(line)["text"])
        if len(texts) == BATCH:
            write()
    write()


if __name__ == "__main__":
    main()
