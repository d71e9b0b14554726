/* bench_tokenize.c - MB/s of CPU time of the tokenizer, and of PCRE2's split beside it
 *
 *     bench_tokenize VOCABULARY PATTERN TEXT [ROUNDS]
 *
 * Prints medians over interleaved rounds: the split alone, a cold first pass (fresh
 * cache), a warm second one, and with -DWITH_PCRE2 the published expression, compiled by
 * PCRE2 with JIT, over the same text. The text is taken in documents of about 8 KiB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef WITH_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#endif

#include "core/arena.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "stages/kernels/text_encoder.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/vocabulary.h"
#include "stages/kernels/vocabulary_build.h"
#include "tests/text_goldens.h"

enum { DOCUMENT_SIZE = 8192, ROUNDS_MAX = 99 };
enum measure { SPLIT, COLD, WARM, PCRE, BUILD, MEASURES };

struct setting {
    struct arena *work, *scratch;
    struct bytes file, text, image;
    struct vocabulary vocabulary;
    enum split_pattern pattern;
    uint32_t *ids;
    size_t tokens, pieces;
    double us[MEASURES][ROUNDS_MAX];
    int rounds;
};

static void stop(const char *what)
{
    (void)fprintf(stderr, "bench_tokenize: %s\n", what);
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

static double encode_all(struct setting *setting, struct text_encoder *encoder)
{
    struct error error;
    setting->tokens = 0;
    int64_t begin_us = clock_process_us();
    for (size_t at = 0; at < setting->text.size;) {
        size_t end = document_end(&setting->text, at), count;
        if (text_encoder_run(encoder, setting->text.data + at, end - at, setting->scratch,
                             setting->ids + setting->tokens, &count, &error) != OK)
            stop(error.text);
        setting->tokens += count;
        arena_reset(setting->scratch);
        at = end;
    }
    return (double)(clock_process_us() - begin_us);
}

static double split_all(struct setting *setting)
{
    size_t ends[TEXT_BATCH];
    setting->pieces = 0;
    int64_t begin_us = clock_process_us();
    for (size_t begin = 0; begin < setting->text.size;) {
        size_t end = document_end(&setting->text, begin), at = 0, count;
        while ((count = split_pieces(setting->pattern, setting->text.data + begin,
                                     end - begin, &at, ends, TEXT_BATCH)) > 0)
            setting->pieces += count;
        begin = end;
    }
    return (double)(clock_process_us() - begin_us);
}

#ifdef WITH_PCRE2
static double pcre_all(struct setting *setting)
{
    int number;
    PCRE2_SIZE offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)split_expression(setting->pattern),
                                     PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
                                     &number, &offset, NULL);
    pcre2_match_data *match = pcre2_match_data_create(2, NULL);
    if (!code || !match || pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) != 0)
        stop("no PCRE2 with JIT");
    /* The fast path does not check its input. */
    if (pcre2_match(code, setting->text.data, setting->text.size, 0, 0, match, NULL) < 0)
        stop("the text is not UTF-8: build without PCRE2");
    int64_t begin_us = clock_process_us();
    for (size_t begin = 0; begin < setting->text.size;) {
        size_t end = document_end(&setting->text, begin);
        PCRE2_SIZE at = 0;
        while (at < end - begin &&
               pcre2_jit_match(code, setting->text.data + begin, end - begin, at,
                               PCRE2_NO_UTF_CHECK, match, NULL) > 0)
            at = pcre2_get_ovector_pointer(match)[1];
        begin = end;
    }
    double us = (double)(clock_process_us() - begin_us);
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    return us;
}
#endif

static double build_all(struct setting *setting)
{
    struct error error;
    struct token_list list;
    int64_t begin_us = clock_process_us();
    bytes_reset(&setting->image);
    if (tiktoken_parse(setting->file.data, setting->file.size, setting->work, &list,
                       &error) != OK ||
        vocabulary_build(&list, setting->work, &setting->image, &error) != OK ||
        vocabulary_open(setting->image.data, setting->image.size, &setting->vocabulary,
                        &error) != OK)
        stop(error.text);
    double us = (double)(clock_process_us() - begin_us);
    arena_reset(setting->work);
    return us;
}

static void run_round(struct setting *setting, int round)
{
    struct error error;
    static struct text_encoder encoder;
    struct arena *run = arena_create(1 << 20, 0);
    setting->us[BUILD][round] = build_all(setting);
    if (!run || text_encoder_init(&encoder, &setting->vocabulary, setting->pattern, run,
                                  &error) != OK)
        stop("no memory");
    setting->us[SPLIT][round] = split_all(setting);
    setting->us[COLD][round] = encode_all(setting, &encoder);
    setting->us[WARM][round] = encode_all(setting, &encoder);
#ifdef WITH_PCRE2
    setting->us[PCRE][round] = pcre_all(setting);
#endif
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

static void print_rate(struct setting *setting, const char *name, enum measure measure)
{
    double us = median(setting, measure);
    if (us > 0)
        (void)printf("%-6s %8.1f MB/s %6.2f ns/piece\n", name,
                     (double)setting->text.size / us,
                     us * 1000 / (double)setting->pieces);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"r50k",  "p50k",   "cl100k",
                                        "o200k", "llama3", "qwen"};
    static struct setting setting;
    if (argc < 4)
        stop("usage: bench_tokenize VOCABULARY PATTERN TEXT [ROUNDS]");
    setting.pattern = SPLIT_PATTERN_COUNT;
    for (int i = 0; i < SPLIT_PATTERN_COUNT; i++) {
        if (strcmp(argv[2], names[i]) == 0)
            setting.pattern = (enum split_pattern)i;
    }
    setting.rounds = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 5;
    setting.file = load_file(argv[1]);
    setting.text = load_file(argv[3]);
    setting.work = arena_create(1 << 20, 0);
    setting.scratch = arena_create(1 << 20, 0);
    setting.ids = malloc((setting.text.size + TEXT_ENCODER_SLACK) * sizeof *setting.ids);
    if (setting.pattern == SPLIT_PATTERN_COUNT || setting.text.size == 0 ||
        setting.rounds < 1 || setting.rounds > ROUNDS_MAX || !setting.ids)
        stop("wrong pattern, text or number of rounds");
    memset(setting.ids, 0,
           (setting.text.size + TEXT_ENCODER_SLACK) * sizeof *setting.ids);
    for (int round = 0; round < setting.rounds; round++)
        run_round(&setting, round);
    (void)printf("%.1f MB, %zu pieces, %zu tokens, vocabulary compiled in %.1f ms\n",
                 (double)setting.text.size / 1e6, setting.pieces, setting.tokens,
                 median(&setting, BUILD) / 1000);
    print_rate(&setting, "split", SPLIT);
    print_rate(&setting, "cold", COLD);
    print_rate(&setting, "warm", WARM);
    print_rate(&setting, "pcre2", PCRE);
    return 0;
}
