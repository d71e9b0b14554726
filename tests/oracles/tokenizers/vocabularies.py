"""vocabularies.py - the tokenizers that are compared: their files, references and own tokens"""
import base64
import json
import os
import random
import subprocess

WORDS_MAX = 20000
TIKTOKEN = ("r50k_base", "p50k_base", "cl100k_base", "o200k_base")
# Hugging Face's files that also stand for GPT-2's pair of files and for ranks with a pattern.
PAIR_OF, QWEN_OF = "gpt2", "qwen3"
# BERT's own vocabularies, and whether they are uncased (which millrace tells by their content).
WORDPIECE = {"bert_base_cased": False, "bert_base_uncased": True, "bert_base_chinese": True,
             "bert_base_multilingual_cased": False}
LLAMA3_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
                  r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")


class Case:
    """A tokenizer and its reference. `reference`: the arguments behind the kind's program."""

    def __init__(self, name, kind, reference, vocabulary, pattern="auto"):
        self.name, self.kind, self.reference = name, kind, reference
        self.vocabulary, self.pattern = vocabulary, pattern
        self.words, self.added = [], []


def llama3_specials():
    names = ["begin_of_text", "end_of_text", *("reserved_special_token_%d" % i for i in range(4)),
             "start_header_id", "end_header_id", "reserved_special_token_4", "eot_id",
             *("reserved_special_token_%d" % i for i in range(5, 251))]
    return {"<|%s|>" % name: 128000 + i for i, name in enumerate(names)}


def qwen_specials():
    names = ["endoftext", "im_start", "im_end", *("extra_%d" % i for i in range(205))]
    return {"<|%s|>" % name: 151643 + i for i, name in enumerate(names)}


def byte_of_letter():
    """GPT-2's letters for bytes, back to the bytes."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {chr(byte): byte for byte in plain}
    others = [byte for byte in range(256) if byte not in plain]
    letters.update({chr(0x100 + i): byte for i, byte in enumerate(others)})
    return letters


LETTERS = byte_of_letter()


def bytes_of(token):
    """The bytes that a token of a byte-level vocabulary stands for; None: not of one."""
    try:
        return bytes(LETTERS[letter] for letter in token)
    except KeyError:
        return None


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write_text(path, text):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return path


def texts_of(tokens):
    """Those of the tokens that are text, at most WORDS_MAX, always the same ones."""
    texts = []
    for token in tokens:
        try:
            texts.append(token.decode() if isinstance(token, bytes) else token)
        except UnicodeDecodeError:
            continue
    texts = [text for text in texts if text]
    return random.Random(1).sample(texts, WORDS_MAX) if len(texts) > WORDS_MAX else texts


# ---- tiktoken ----


def write_ranks(path, ranks):
    """A .tiktoken file of {bytes: rank}."""
    lines = ("%s %d\n" % (base64.b64encode(token).decode(), rank)
             for token, rank in sorted(ranks.items(), key=lambda item: item[1]))
    return write_text(path, "".join(lines))


def read_ranks(path):
    ranks = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            if line.strip():
                token, rank = line.split()
                ranks[base64.b64decode(token)] = int(rank)
    return ranks


def packaged_ranks(encoding):
    """Those of an encoder of the npm package: lines "! FIRST TOKEN TOKEN ..."."""
    ranks = {}
    for line in encoding["bpe_ranks"].split("\n"):
        _, first, *tokens = line.split(" ")
        ranks.update({base64.b64decode(token): int(first) + i for i, token in enumerate(tokens)})
    return ranks


def write_encoding(path, ranks, specials, pattern):
    """What tiktoken.js opens: ranks without a gap, as in the package."""
    tokens = sorted(ranks, key=ranks.get)
    assert [ranks[token] for token in tokens] == list(range(len(tokens)))
    text = "! 0 " + " ".join(base64.b64encode(token).decode() for token in tokens)
    return write_text(path, json.dumps({"bpe_ranks": text, "special_tokens": specials,
                                        "pat_str": pattern}))


def tiktoken_case(name, reference, vocabulary, ranks, specials, pattern="auto"):
    case = Case(name, "tiktoken", reference, vocabulary, pattern)
    case.words, case.added = texts_of(sorted(ranks)), sorted(specials)
    return case


def tiktoken_cases(shared, modules, work):
    for name in TIKTOKEN:
        encoding = read_json(os.path.join(modules, "tiktoken/encoders", name + ".json"))
        path = os.path.join(shared, "vocab/tiktoken", name + ".tiktoken")
        ranks = packaged_ranks(encoding)
        if not os.path.exists(path):
            path = write_ranks(os.path.join(work, name + ".tiktoken"), ranks)
        yield tiktoken_case(name, name, path, ranks, encoding["special_tokens"])
    path = os.path.join(shared, "vocab/tiktoken/llama3.tiktoken")
    if os.path.exists(path):
        ranks = read_ranks(path)
        reference = write_encoding(os.path.join(work, "llama3.json"), ranks, llama3_specials(),
                                   LLAMA3_PATTERN)
        yield tiktoken_case("llama3.tiktoken", reference, path, ranks, llama3_specials())
    path = os.path.join(shared, "vocab/tokenizer_json", QWEN_OF + ".json")
    if os.path.exists(path):
        vocabulary = read_json(path)["model"]["vocab"]
        ranks = {bytes_of(token): rank for token, rank in vocabulary.items()}
        reference = write_encoding(os.path.join(work, "qwen.json"), ranks, qwen_specials(),
                                   QWEN_PATTERN)
        yield tiktoken_case("qwen.tiktoken", reference,
                            write_ranks(os.path.join(work, "qwen.tiktoken"), ranks), ranks,
                            qwen_specials(), "qwen")


# ---- Hugging Face ----


def own_tokens(content):
    """(words, added) of a tokenizer.json."""
    vocabulary = content["model"]["vocab"]
    names = list(vocabulary) if isinstance(vocabulary, dict) else [name for name, _ in vocabulary]
    spelt = [bytes_of(name) for name in names]
    if sum(text is None for text in spelt) < len(names) // 100:
        names = [text for text in spelt if text is not None]
    else:
        names = [name.removeprefix("##").replace("\u2581", " ") for name in names]
    return texts_of(names), [token["content"] for token in content["added_tokens"]]


def hugging_face_case(name, path, vocabulary=None):
    case = Case(name, "hugging_face", path, vocabulary or path)
    case.words, case.added = own_tokens(read_json(path))
    return case


def write_bert(path, vocabulary, is_uncased):
    """BERT's tokenizer.json for a vocab.txt."""
    with open(vocabulary, encoding="utf-8") as file:
        tokens = {line.rstrip(): number for number, line in enumerate(file)}
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    item = {name: {"SpecialToken": {"id": name, "type_id": 0}} for name in ("[CLS]", "[SEP]")}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    content = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": tokens[name], "content": name, "single_word": False,
                          "lstrip": False, "rstrip": False, "normalized": False, "special": True}
                         for name in special],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": is_uncased},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing", "single": [item["[CLS]"], text, item["[SEP]"]],
            "pair": [item["[CLS]"], text, item["[SEP]"]],
            "special_tokens": {name: {"id": name, "ids": [tokens[name]], "tokens": [name]}
                               for name in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": tokens}}
    return write_text(path, json.dumps(content))


def write_pair(folder, path):
    """GPT-2's vocab.json and merges.txt of a tokenizer.json; returns the first."""
    os.makedirs(folder, exist_ok=True)
    model = read_json(path)["model"]
    merges = (pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"])
    write_text(os.path.join(folder, "merges.txt"), "#version: 0.2\n" + "\n".join(merges) + "\n")
    return write_text(os.path.join(folder, "vocab.json"), json.dumps(model["vocab"]))


def hugging_face_cases(shared, work):
    folder = os.path.join(shared, "vocab/tokenizer_json")
    for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.join(folder, file)
        yield hugging_face_case(file, path)
        if file == PAIR_OF + ".json":
            yield hugging_face_case("vocab.json and merges.txt of " + file, path,
                                    write_pair(os.path.join(work, "pair"), path))
    for name, is_uncased in WORDPIECE.items():
        path = os.path.join(shared, "vocab/wordpiece", name + ".vocab.txt")
        if os.path.exists(path):
            reference = write_bert(os.path.join(work, name + ".json"), path, is_uncased)
            yield hugging_face_case(name + ".vocab.txt", reference, path)


# ---- SentencePiece ----


def sentencepiece_case(name, path):
    import sentencepiece  # pylint: disable=import-outside-toplevel
    case = Case(name, "sentencepiece", path, path)
    processor = sentencepiece.SentencePieceProcessor()
    processor.Load(path)
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    case.words = texts_of([piece.replace("\u2581", " ") for piece in pieces])
    case.added = [piece for i, piece in enumerate(pieces)
                  if processor.is_control(i) or processor.is_unknown(i)]
    return case


def sentencepiece_cases(shared):
    folder = os.path.join(shared, "vocab/sentencepiece")
    for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        yield sentencepiece_case(file, os.path.join(folder, file))


# ---- what millrace's own trainers write ----

TRAINED = {  # name: (stage with its options, file)
    "trained byte-level BPE": (
        "train_bpe: {vocabulary_size: 8000, pattern: o200k, format: json, "
        "special: ['<|end|>', '<|pad|>']}", "tokenizer.json"),
    "trained WordPiece": ("train_wordpiece: {vocabulary_size: 8000}", "tokenizer.json"),
    "trained SentencePiece BPE": (
        "train_bpe: {vocabulary_size: 8000, style: sentencepiece, byte_fallback: true}",
        "tokenizer.model"),
    "trained Unigram": ("train_unigram: {vocabulary_size: 8000}", "tokenizer.model"),
    "trained Unigram with bytes": (
        "train_unigram: {vocabulary_size: 6000, byte_fallback: true}", "tokenizer.model"),
}
PIPELINE = """\
name: trained
phases:
  - name: fit
    input: {paths: [documents.jsonl], format: jsonl, text: text}
    stages:
      - %s
  - name: main
    input: {paths: [documents.jsonl], format: jsonl, text: text}
    stages:
      - tokenize: {vocabulary: "phase:fit/%s"}
"""


def trained_cases(millrace, documents, work):
    """Train on the documents; a job for each tokenizer, made anew."""
    with open(os.path.join(work, "documents.jsonl"), "w", encoding="utf-8") as file:
        for text in documents:
            file.write(json.dumps({"text": text}) + "\n")
    for number, (name, (stage, file)) in enumerate(TRAINED.items()):
        pipeline = os.path.join(work, "trained-%d.yaml" % number)
        job = os.path.join(work, "trained-%d.job" % number)
        write_text(pipeline, PIPELINE % (stage, file))
        subprocess.run(["rm", "-rf", job], check=True)
        subprocess.run([millrace, "run", pipeline, "--job", job], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        path = os.path.join(job, "artefacts/fit", file)
        yield (hugging_face_case if file.endswith(".json") else sentencepiece_case)(name, path)
