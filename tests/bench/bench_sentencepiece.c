/* bench_sentencepiece.c - MB/s of CPU time of SentencePiece models, ours and its own
 *
 *     bench_sentencepiece MODEL TEXT [ROUNDS]
 *
 * Prints medians over interleaved rounds: a cold first pass (fresh cache) and a warm second
 * one of the model over text that was normalized before, in documents of about 8 KiB; and
 * where python3-sentencepiece is installed the encoder of SentencePiece itself over the
 * first REFERENCE_SIZE bytes, which normalizes and encodes, and the ratios to it. MB are
 * those of the text as it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "tests/sentencepiece_coder.h"

enum { DOCUMENT_SIZE = 8192, ROUNDS_MAX = 99, REFERENCE_SIZE = 3 << 20 };
enum measure { COLD, WARM, REFERENCE, MEASURES };

struct document { /* of the normalized text */
    size_t begin, end;
};

struct setting {
    struct bytes file, text, all;
    struct document *documents;
    size_t count, our_tokens;
    const char *model_path, *text_path;
    double rates[MEASURES][ROUNDS_MAX];
    int rounds;
    bool has_reference;
};

static void stop(const char *what)
{
    (void)fprintf(stderr, "bench_sentencepiece: %s\n", what);
    exit(1);
}

/* Past a document that ends at a line end near its size. */
static size_t document_end(const struct bytes *text, size_t begin)
{
    if (text->size - begin <= DOCUMENT_SIZE)
        return text->size;
    const unsigned char *end = memchr(text->data + begin + DOCUMENT_SIZE, '\n',
                                      text->size - begin - DOCUMENT_SIZE);
    return end ? (size_t)(end - text->data) + 1 : text->size;
}

static void normalize_all(struct setting *setting, const struct coder *coder)
{
    struct bytes one = {0};
    setting->documents =
        calloc(setting->text.size / DOCUMENT_SIZE + 1, sizeof *setting->documents);
    for (size_t begin = 0, end; begin < setting->text.size; begin = end) {
        end = document_end(&setting->text, begin);
        reference_normalize(coder->spec.normalizers, setting->text.data + begin,
                            end - begin, &one);
        struct document *document = &setting->documents[setting->count++];
        document->begin = setting->all.size;
        bytes_put(&setting->all, one.data, one.size);
        document->end = setting->all.size;
    }
    bytes_clear(&one);
}

/* MB/s of all documents. */
static double encode_all(struct setting *setting, struct coder *coder, uint32_t *ids)
{
    size_t tokens = 0, count;
    int64_t begin_us = clock_process_us();
    for (size_t i = 0; i < setting->count; i++) {
        struct document document = setting->documents[i];
        if (document.end > document.begin &&
            coder->type->encode(coder->state, setting->all.data + document.begin,
                                document.end - document.begin, coder->scratch,
                                ids + tokens, NULL, &count, &coder->error) != OK)
            stop(coder->error.text);
        tokens += document.end > document.begin ? count : 0;
        arena_reset(coder->scratch);
    }
    setting->our_tokens = tokens;
    return (double)setting->text.size / (double)(clock_process_us() - begin_us);
}

/* SentencePiece by its Python binding: MB/s and tokens of the first documents. */
static void run_reference(struct setting *setting, int round)
{
    static const char script[] =
        "import sys, time, sentencepiece\n"
        "model = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])\n"
        "data = open(sys.argv[2], 'rb').read()\n"
        "texts, begin, limit, size = [], 0, int(sys.argv[3]), int(sys.argv[4])\n"
        "while begin < min(len(data), limit):\n"
        "    end = data.find(b'\\n', begin + size) + 1 or len(data)\n"
        "    texts.append(data[begin:end])\n"
        "    begin = end\n"
        "began = time.process_time()\n"
        "tokens = sum(len(model.encode(text)) for text in texts)\n"
        "print(begin / (time.process_time() - began) / 1e6, tokens, len(texts))\n";
    char command[4096], line[256] = "";
    double rate = 0;
    int length = snprintf(
        command, sizeof command, "/usr/bin/python3 -c \"%s\" '%s' '%s' %d %d 2>/dev/null",
        script, setting->model_path, setting->text_path, REFERENCE_SIZE, DOCUMENT_SIZE);
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
    struct coder coder;
    uint32_t *ids = malloc((setting->all.size + 16) * sizeof *ids);
    if (!ids || !coder_open_file(&coder, setting->file.data, setting->file.size))
        stop("cannot open the model");
    memset(ids, 0, (setting->all.size + 16) * sizeof *ids);
    setting->rates[COLD][round] = encode_all(setting, &coder, ids);
    setting->rates[WARM][round] = encode_all(setting, &coder, ids);
    coder_close(&coder);
    free(ids);
    run_reference(setting, round);
}

int main(int argc, char **argv)
{
    struct setting setting = {.rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 3};
    struct coder coder;
    if (argc < 3 || setting.rounds < 1 || setting.rounds > ROUNDS_MAX)
        stop("usage: bench_sentencepiece MODEL TEXT [ROUNDS]");
    setting.model_path = argv[1];
    setting.text_path = argv[2];
    setting.file = load_file(argv[1]);
    setting.text = load_file(argv[2]);
    if (!coder_open_file(&coder, setting.file.data, setting.file.size))
        stop(coder.error.text);
    normalize_all(&setting, &coder);
    coder_close(&coder);
    for (int round = 0; round < setting.rounds; round++)
        run_round(&setting, round);
    double cold = median(setting.rates[COLD], setting.rounds);
    double warm = median(setting.rates[WARM], setting.rounds);
    printf("cold %.1f MB/s, warm %.1f MB/s, %zu tokens", cold, warm, setting.our_tokens);
    if (setting.has_reference) {
        double reference = median(setting.rates[REFERENCE], setting.rounds);
        printf("; SentencePiece %.2f MB/s: cold %.1f, warm %.1f times", reference,
               cold / reference, warm / reference);
    }
    printf("\n");
    bytes_clear(&setting.file);
    bytes_clear(&setting.text);
    bytes_clear(&setting.all);
    free(setting.documents);
    return 0;
}
