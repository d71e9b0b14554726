/* bench_sentencepiece.c - MB/s of CPU time of whole tokenizers, and of SentencePiece's own
 *
 *     bench_sentencepiece MODEL TEXT [ROUNDS [REFERENCE_BYTES]]
 *
 * MODEL is a vocabulary of any kind. TEXT is cut into documents at zero bytes, or where
 * there are none at line ends about every 8 KiB. Prints medians over interleaved rounds of
 * the way from raw text to ids, normalization included: a cold first pass (fresh cache) and
 * a warm second one; and where python3-sentencepiece is installed and reads MODEL the
 * encoder of SentencePiece itself over the first documents of REFERENCE_BYTES, and the
 * ratios to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "stages/kernels/tokenizer.h"
#include "tests/text_goldens.h"

enum { DOCUMENT_SIZE = 8192, ROUNDS_MAX = 99, REFERENCE_SIZE = 3 << 20 };
enum measure { COLD, WARM, REFERENCE, MEASURES };

struct document {
    size_t begin, end;
};

struct setting {
    struct bytes text, image;
    struct document *documents;
    size_t count, bytes, tokens;
    const char *model_path, *text_path;
    long reference_size;
    double rates[MEASURES][ROUNDS_MAX];
    int rounds;
    bool has_reference;
};

static void stop(const char *what)
{
    (void)fprintf(stderr, "bench_sentencepiece: %s\n", what);
    exit(1);
}

/* Where a document ends: at a zero byte, or at a line end near its size. */
static size_t document_end(const struct bytes *text, size_t begin, bool has_zeros)
{
    size_t from = has_zeros ? begin : begin + DOCUMENT_SIZE;
    if (from >= text->size)
        return text->size;
    const unsigned char *end =
        memchr(text->data + from, has_zeros ? 0 : '\n', text->size - from);
    return end ? (size_t)(end - text->data) + !has_zeros : text->size;
}

static void find_documents(struct setting *setting)
{
    const struct bytes *text = &setting->text;
    bool has_zeros = memchr(text->data, 0, text->size) != NULL;
    size_t room = 1;
    for (size_t i = 0; has_zeros && i < text->size; i++)
        room += text->data[i] == 0;
    room += has_zeros ? 0 : text->size / DOCUMENT_SIZE;
    setting->documents = calloc(room, sizeof *setting->documents);
    if (!setting->documents)
        stop("no memory");
    for (size_t begin = 0, end; begin < text->size; begin = end + has_zeros) {
        end = document_end(text, begin, has_zeros);
        setting->documents[setting->count++] = (struct document){begin, end};
        setting->bytes += end - begin;
    }
}

static void build_image(struct setting *setting)
{
    struct error error;
    const struct tokenizer_spec *spec;
    struct arena *work = arena_create(4 << 20, 0);
    if (!work)
        stop("no memory");
    if (tokenizer_read(setting->model_path, "auto", work, &spec, &error) != OK ||
        tokenizer_build(spec, work, &setting->image, &error) != OK)
        stop(error.text);
    arena_destroy(work);
}

/* MB/s of all documents. */
static double encode_all(struct setting *setting, struct tokenizer *tokenizer,
                         struct arena *scratch)
{
    static const struct encode_options options = {.specials = SPECIALS_AS_TEXT};
    struct error error;
    struct encoding encoding;
    setting->tokens = 0;
    int64_t begin_us = clock_process_us();
    for (size_t i = 0; i < setting->count; i++) {
        struct document document = setting->documents[i];
        if (tokenizer_encode(tokenizer, setting->text.data + document.begin,
                             document.end - document.begin, &options, scratch, &encoding,
                             &error) != OK)
            stop(error.text);
        setting->tokens += encoding.count;
        arena_reset(scratch);
    }
    return (double)setting->bytes / (double)(clock_process_us() - begin_us);
}

/* SentencePiece by its Python binding: MB/s over the first documents. */
static void run_reference(struct setting *setting, int round)
{
    static const char script[] =
        "import sys, time, sentencepiece\n"
        "model = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])\n"
        "data = open(sys.argv[2], 'rb').read()\n"
        "limit, size = int(sys.argv[3]), int(sys.argv[4])\n"
        "texts, begin = [], 0\n"
        "if 0 in data:\n"
        "    texts = data.split(bytes(1))\n"
        "while not 0 in data and begin < len(data):\n"
        "    end = data.find(b'\\n', begin + size) + 1 or len(data)\n"
        "    texts.append(data[begin:end])\n"
        "    begin = end\n"
        "while sum(map(len, texts)) > limit and len(texts) > 1:\n"
        "    del texts[len(texts) * 9 // 10:]\n"
        "began = time.process_time()\n"
        "for text in texts:\n"
        "    model.encode(text)\n"
        "print(sum(map(len, texts)) / (time.process_time() - began) / 1e6)\n";
    char command[4096], line[256] = "";
    double rate = 0;
    int length = snprintf(command, sizeof command,
                          "/usr/bin/python3 -c \"%s\" '%s' '%s' %ld %d 2>/dev/null",
                          script, setting->model_path, setting->text_path,
                          setting->reference_size, DOCUMENT_SIZE);
    bool is_whole = length > 0 && (size_t)length < sizeof command;
    FILE *pipe = is_whole ? popen(command, "r") : NULL;
    if (pipe && fgets(line, sizeof line, pipe))
        rate = strtod(line, NULL);
    setting->has_reference = rate > 0;
    if (pipe)
        (void)pclose(pipe);
    setting->rates[REFERENCE][round] = rate;
}

static int compare_numbers(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

static double median(double *numbers, int count)
{
    qsort(numbers, (size_t)count, sizeof *numbers, compare_numbers);
    return numbers[count / 2];
}

static void run_round(struct setting *setting, int round)
{
    struct error error;
    struct tokenizer *tokenizer;
    struct arena *run = arena_create(1 << 20, 0), *scratch = arena_create(4 << 20, 0);
    if (!run || !scratch)
        stop("no memory");
    if (tokenizer_open(setting->image.data, setting->image.size, run, &tokenizer,
                       &error) != OK)
        stop(error.text);
    setting->rates[COLD][round] = encode_all(setting, tokenizer, scratch);
    setting->rates[WARM][round] = encode_all(setting, tokenizer, scratch);
    arena_destroy(run);
    arena_destroy(scratch);
    if (setting->reference_size > 0)
        run_reference(setting, round);
}

int main(int argc, char **argv)
{
    struct setting setting = {.rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 3};
    if (argc < 3 || setting.rounds < 1 || setting.rounds > ROUNDS_MAX)
        stop("usage: bench_sentencepiece MODEL TEXT [ROUNDS [REFERENCE_BYTES]]");
    setting.model_path = argv[1];
    setting.text_path = argv[2];
    setting.reference_size = argc > 4 ? strtol(argv[4], NULL, 10) : REFERENCE_SIZE;
    setting.text = load_file(argv[2]);
    build_image(&setting);
    find_documents(&setting);
    for (int round = 0; round < setting.rounds; round++)
        run_round(&setting, round);
    double cold = median(setting.rates[COLD], setting.rounds);
    double warm = median(setting.rates[WARM], setting.rounds);
    printf("cold %.1f MB/s, warm %.1f MB/s, %zu tokens", cold, warm, setting.tokens);
    if (setting.has_reference) {
        double reference = median(setting.rates[REFERENCE], setting.rounds);
        printf("; SentencePiece %.2f MB/s: cold %.1f, warm %.1f times", reference,
               cold / reference, warm / reference);
    }
    printf("\n");
    bytes_clear(&setting.text);
    bytes_clear(&setting.image);
    free(setting.documents);
    return 0;
}
