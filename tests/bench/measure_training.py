"""measure_training.py - training a vocabulary against Hugging Face and SentencePiece

CPU time of one thread, from the text in a file to the vocabulary. SentencePiece is asked for
what ours writes: no normalization, no limit to a line, every line taken. Hugging Face's
binding trains 30,000 tokens, whatever is asked: ours does the same beside it.
"""
import os
import re
import subprocess

import bench_rivals
from bench_common import (TOOLS, WORK, Finished, Missing, group, median, row, run_options, say)
from bench_texts import text_file, text_shares

SIZE, HUGGING_FACE_SIZE = 32000, 30000
LOSS = """import sys, sentencepiece
model = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])
scores = [model.get_score(i) for i in range(model.vocab_size())]
scores[model.unk_id()] = min(scores) - 10  # as SentencePiece counts what it does not know
with open(sys.argv[2], encoding="utf-8", newline="\\n") as file:
    text = file.read()
total = sum(scores[i] for line in text.split("\\n") for i in model.encode(line))
print(-total / len(text))
"""


def ours(kind, text, size, output=None):
    words = [kind, text, str(size)] + ([output] if output else [])
    done = subprocess.run([os.path.join(TOOLS, "bench_train"), *words], check=True,
                          capture_output=True, text=True)
    return float(re.search(r"in all ([\d.]+) s of CPU", done.stdout).group(1))


def spm_train(kind, text, prefix):
    bench_rivals.debian("spm_train")
    return Finished(["spm_train", f"--input={text}", f"--model_prefix={prefix}",
                     f"--model_type={kind}", f"--vocab_size={SIZE}", "--num_threads=1",
                     "--normalization_rule_name=identity", "--max_sentence_length=100000000",
                     "--minloglevel=1"]).cpu


def hugging_face(text):
    return bench_rivals.tokenizers_train(text)["us"] / 1e6


class Trained:
    """Rounds of ours and a rival's, which has fewer when it is slow."""

    def __init__(self, rounds, ours_once, rival_once):
        self.ours, self.rival, self.why, self.rounds = [], [], None, rounds
        for _ in range(rounds):
            self.ours.append(ours_once())
            if self.why or sum(self.rival) > run_options.rival_seconds:
                continue
            try:
                self.rival.append(rival_once())
            except Missing as why:
                self.why = why

    def rows(self, what, name, target):
        row(f"{what}: CPU", median(self.ours), "s")
        if not self.rival:
            say(f"   {name}: {self.why}")
            return
        note = f"{median(self.rival):.1f} s"
        if len(self.rival) < self.rounds:
            note += f", {len(self.rival)} round{'s' * (len(self.rival) > 1)}"
        row(f"{what}, times {name}",
            median(r / o for r, o in zip(self.rival, self.ours)), "times", target, None, note)


def loss(model):
    """Nats a character on the held-out text."""
    done = subprocess.run([bench_rivals.PYTHON, "-c", LOSS, model, text_file("held_out.txt")],
                          check=True, capture_output=True, text=True)
    return float(done.stdout)


def measure_loss(our_model, its_model):
    try:
        bench_rivals.debian()
    except Missing as why:
        say(f"   the loss: {why}")
        return
    our_loss, its_loss = loss(our_model), loss(its_model)
    row("Unigram: loss on held-out text, over SentencePiece's", our_loss / its_loss, "times",
        "<= 1", our_loss <= its_loss, f"{our_loss:.4f} and {its_loss:.4f} nats a character")


def measure_training(rounds):
    group(f"training on {text_shares()}, one thread, CPU time")
    text = text_file("mix.txt")
    our_model, prefix = os.path.join(WORK, "ours.model"), os.path.join(WORK, "spm_train")
    Trained(rounds, lambda: ours("bytes", text, HUGGING_FACE_SIZE),
            lambda: hugging_face(text)).rows(
                f"byte-level BPE, {HUGGING_FACE_SIZE} tokens", "Hugging Face", ">= 12")
    Trained(rounds, lambda: ours("characters", text, SIZE),
            lambda: spm_train("bpe", text, prefix)).rows(
                f"BPE, {SIZE} tokens", "SentencePiece", ">= 200")
    unigram = Trained(rounds, lambda: ours("unigram", text, SIZE, our_model),
                      lambda: spm_train("unigram", text, prefix))
    unigram.rows(f"Unigram, {SIZE} tokens", "SentencePiece", ">= 10")
    if unigram.rival:
        measure_loss(our_model, prefix + ".model")
