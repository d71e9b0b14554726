/* bench_wordpiece.c - MB/s of CPU time of BERT's tokenizer in one pass
 *
 *     bench_wordpiece VOCAB.TXT cased|uncased TEXT [ROUNDS]
 *
 * Prints medians over interleaved rounds: the normalizer alone, a cold first pass (fresh
 * cache), a warm second one. The text is taken in documents of about 8 KiB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "stages/kernels/bert_encoder.h"
#include "stages/kernels/normalizer.h"
#include "tests/bert_vocabulary.h"
#include "tests/text_goldens.h"

enum { DOCUMENT_SIZE = 8192, ROUNDS_MAX = 99 };
enum measure { BUILD, NORMALIZE, COLD, WARM, MEASURES };

struct setting {
    struct arena *work, *scratch;
    struct bytes lines, text, image, normalizer_image;
    bool is_lowercase;
    uint32_t *ids;
    size_t tokens;
    double us[MEASURES][ROUNDS_MAX];
    int rounds;
};

static void stop(const char *what)
{
    (void)fprintf(stderr, "bench_wordpiece: %s\n", what);
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

static double encode_all(struct setting *setting, struct bert_encoder *encoder)
{
    struct error error;
    setting->tokens = 0;
    int64_t begin_us = clock_process_us();
    for (size_t at = 0; at < setting->text.size;) {
        size_t end = document_end(&setting->text, at), count;
        if (bert_encoder_run(encoder, setting->text.data + at, end - at, setting->scratch,
                             setting->ids + setting->tokens, &count, &error) != OK)
            stop(error.text);
        setting->tokens += count;
        arena_reset(setting->scratch);
        at = end;
    }
    return (double)(clock_process_us() - begin_us);
}

static double normalize_all(struct setting *setting, const struct normalizer *normalizer)
{
    struct error error;
    struct normalized normal;
    int64_t begin_us = clock_process_us();
    for (size_t at = 0, end; at < setting->text.size; at = end) {
        end = document_end(&setting->text, at);
        if (normalizer_run(normalizer, setting->text.data + at, end - at, true, false,
                           setting->scratch, &normal, &error) != OK)
            stop(error.text);
        arena_reset(setting->scratch);
    }
    return (double)(clock_process_us() - begin_us);
}

static void build_all(struct setting *setting)
{
    struct error error;
    bytes_reset(&setting->image);
    bytes_reset(&setting->normalizer_image);
    struct tokenizer_spec *spec = bert_specification(
        setting->lines.data, setting->lines.size, setting->is_lowercase, setting->work);
    if (!spec)
        stop("no memory");
    if (bert_encoder_build(spec, setting->work, &setting->image, &error) != OK ||
        normalizer_build(spec->normalizers, 1, setting->work, &setting->normalizer_image,
                         &error) != OK)
        stop(error.text);
    arena_reset(setting->work);
}

static void run_round(struct setting *setting, int round)
{
    struct error error;
    struct bert_encoder *encoder = NULL;
    struct normalizer *normalizer = NULL;
    struct arena *run = arena_create(1 << 20, 0);
    int64_t begin_us = clock_process_us();
    build_all(setting);
    setting->us[BUILD][round] = (double)(clock_process_us() - begin_us);
    if (!run ||
        bert_encoder_open(setting->image.data, setting->image.size, run, &encoder,
                          &error) != OK ||
        normalizer_open(setting->normalizer_image.data, setting->normalizer_image.size,
                        run, &normalizer, &error) != OK)
        stop("cannot open what was built");
    setting->us[NORMALIZE][round] = normalize_all(setting, normalizer);
    setting->us[COLD][round] = encode_all(setting, encoder);
    setting->us[WARM][round] = encode_all(setting, encoder);
    arena_destroy(run);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(struct setting *setting, enum measure measure)
{
    double *values = setting->us[measure];
    qsort(values, (size_t)setting->rounds, sizeof *values, compare);
    return values[setting->rounds / 2];
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"build", "normalize", "cold", "warm"};
    static struct setting setting;
    if (argc < 4)
        stop("usage: bench_wordpiece VOCAB.TXT cased|uncased TEXT [ROUNDS]");
    setting.is_lowercase = strcmp(argv[2], "uncased") == 0;
    setting.rounds = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 5;
    setting.lines = load_file(argv[1]);
    setting.text = load_file(argv[3]);
    setting.work = arena_create(1 << 20, 0);
    setting.scratch = arena_create(1 << 20, 0);
    size_t room = (setting.text.size + BERT_ENCODER_SLACK) * sizeof *setting.ids;
    setting.ids = malloc(room);
    if (setting.lines.size == 0 || setting.text.size == 0 || setting.rounds < 1 ||
        setting.rounds > ROUNDS_MAX || !setting.ids)
        stop("no vocabulary, no text or a wrong number of rounds");
    memset(setting.ids, 0, room);
    for (int round = 0; round < setting.rounds; round++)
        run_round(&setting, round);
    (void)printf("%.1f MB, %zu tokens, built in %.1f ms\n",
                 (double)setting.text.size / 1e6, setting.tokens,
                 median(&setting, BUILD) / 1000);
    for (enum measure i = NORMALIZE; i < MEASURES; i++)
        (void)printf("%-9s %8.1f MB/s\n", names[i],
                     (double)setting.text.size / median(&setting, i));
    return 0;
}
