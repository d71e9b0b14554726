/* bench_encode.c - CPU time of any tokenizer over a text, a cold pass and a warm one
 *
 *     bench_encode FILE TEXT ROUNDS DOCUMENT [PATTERN]
 *
 * FILE is what the stage tokenize takes, and is encoded as that stage does it: all ids of
 * all documents in memory at the end of a pass. The text is taken in documents of about
 * DOCUMENT bytes that end at a line end (0: it is one). Each round opens the tokenizer
 * anew (a cold pass, caches are empty) and goes over the text twice; with -DWITH_PCRE2 and
 * a PATTERN (cl100k, ...) PCRE2 then splits the same documents by the published
 * expression, compiled with JIT and anchored (a match begins where the last one ended, so
 * that nothing is searched for: 6 % faster), without a check of UTF-8, by its fast path.
 *
 * ROUNDS 0: two passes, each after a line is read from standard input and "ready" said, so
 * that several of these can run side by side.
 *
 * Prints JSON: microseconds of every round. */
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
#include "stages/kernels/split.h"
#include "stages/kernels/tokenizer.h"
#include "tests/text_goldens.h"

enum { ROUNDS_MAX = 99, IMAGE_ALIGNMENT = 64 };
enum measure { COLD, WARM, COLD_WALL, WARM_WALL, PCRE, MEASURES };

struct setting {
    struct arena *scratch;
    struct bytes text, image;
    void *prepared; /* the image, aligned as a mapped file is */
    size_t *ends;   /* (count) of the documents */
    size_t count;
    uint32_t *ids;
    size_t room, tokens;
    const char *expression; /* NULL: no PCRE2 */
    double us[MEASURES][ROUNDS_MAX];
    int rounds;
    bool is_paced;
};

static void stop(const char *what)
{
    (void)fprintf(stderr, "bench_encode: %s\n", what);
    exit(1);
}

static void cut_documents(struct setting *setting, size_t document)
{
    const struct bytes *text = &setting->text;
    size_t most = document ? text->size / document + 1 : 1;
    setting->ends = calloc(most, sizeof *setting->ends);
    if (!setting->ends)
        stop("no memory");
    for (size_t begin = 0; begin < text->size;) {
        const unsigned char *end = NULL;
        if (document && text->size - begin > document)
            end = memchr(text->data + begin + document, '\n',
                         text->size - begin - document);
        begin = end ? (size_t)(end - text->data) + 1 : text->size;
        setting->ends[setting->count++] = begin;
    }
}

static void prepare(struct setting *setting, const char *path)
{
    struct error error;
    const struct tokenizer_spec *spec = NULL;
    struct arena *work = arena_create(4 << 20, 0);
    if (!work || tokenizer_read(path, NULL, work, &spec, &error) != OK ||
        tokenizer_build(spec, work, &setting->image, &error) != OK)
        stop(work ? error.text : "no memory");
    size_t size =
        (setting->image.size + IMAGE_ALIGNMENT - 1) / IMAGE_ALIGNMENT * IMAGE_ALIGNMENT;
    setting->prepared = aligned_alloc(IMAGE_ALIGNMENT, size);
    if (!setting->prepared)
        stop("no memory");
    memcpy(setting->prepared, setting->image.data, setting->image.size);
    arena_destroy(work);
}

/* Room for all ids, where it can be told beforehand; else an id a byte and some, which
 * no model exceeds by much. */
static void make_room(struct setting *setting)
{
    struct error error;
    struct tokenizer *tokenizer = NULL;
    struct arena *run = arena_create(1 << 20, 0);
    if (!run || tokenizer_open(setting->prepared, setting->image.size, run, &tokenizer,
                               &error) != OK)
        stop("cannot open the tokenizer");
    size_t room = tokenizer_room(tokenizer, setting->text.size, setting->count);
    size_t least = 4 * setting->text.size + 64 * setting->count;
    setting->room = room > least ? room : least;
    setting->ids = malloc(setting->room * sizeof *setting->ids);
    if (!setting->ids)
        stop("no memory");
    memset(setting->ids, 0, setting->room * sizeof *setting->ids);
    arena_destroy(run);
}

/* Encode a document as the stage does; its ids end up in setting->ids. */
static void encode_one(struct setting *setting, struct tokenizer *tokenizer,
                       bool is_direct, const unsigned char *text, size_t size)
{
    static const struct encode_options options = {.specials = SPECIALS_AS_TEXT};
    struct error error;
    struct encoding encoding;
    uint32_t *ids = setting->ids + setting->tokens;
    enum error_code code =
        is_direct ? tokenizer_encode_to(tokenizer, text, size, &options, setting->scratch,
                                        ids, &encoding, &error)
                  : tokenizer_encode(tokenizer, text, size, &options, setting->scratch,
                                     &encoding, &error);
    if (code != OK)
        stop(error.text);
    if (!is_direct) {
        if (encoding.count > setting->room - setting->tokens)
            stop("more ids than there is room for");
        memcpy(ids, encoding.ids, encoding.count * sizeof *ids);
    }
    setting->tokens += encoding.count;
}

static void wait_for_turn(const struct setting *setting)
{
    char line[16];
    if (!setting->is_paced)
        return;
    (void)printf("ready\n");
    (void)fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        stop("no more turns");
}

static void encode_all(struct setting *setting, struct tokenizer *tokenizer, int round,
                       enum measure measure)
{
    bool is_direct = tokenizer_room(tokenizer, setting->text.size, setting->count) > 0;
    size_t begin = 0;
    setting->tokens = 0;
    wait_for_turn(setting);
    int64_t wall_us = clock_now_us(), begin_us = clock_process_us();
    for (size_t i = 0; i < setting->count; i++) {
        encode_one(setting, tokenizer, is_direct, setting->text.data + begin,
                   setting->ends[i] - begin);
        arena_reset(setting->scratch);
        begin = setting->ends[i];
    }
    setting->us[measure][round] = (double)(clock_process_us() - begin_us);
    setting->us[measure + COLD_WALL - COLD][round] = (double)(clock_now_us() - wall_us);
}

#ifdef WITH_PCRE2
static void split_all(struct setting *setting, int round)
{
    int number;
    PCRE2_SIZE offset;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)setting->expression, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &number, &offset, NULL);
    pcre2_match_data *match = pcre2_match_data_create(2, NULL);
    if (!code || !match || pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) != 0)
        stop("no PCRE2 with JIT");
    if (pcre2_match(code, setting->text.data, setting->text.size, 0, 0, match, NULL) < 0)
        stop("the text is not UTF-8");
    int64_t begin_us = clock_process_us();
    for (size_t i = 0, begin = 0; i < setting->count; begin = setting->ends[i++]) {
        PCRE2_SIZE at = 0, size = setting->ends[i] - begin;
        while (at < size && pcre2_jit_match(code, setting->text.data + begin, size, at,
                                            PCRE2_NO_UTF_CHECK, match, NULL) > 0)
            at = pcre2_get_ovector_pointer(match)[1];
    }
    setting->us[PCRE][round] = (double)(clock_process_us() - begin_us);
    pcre2_match_data_free(match);
    pcre2_code_free(code);
}
#else
static void split_all(struct setting *setting, int round)
{
    setting->us[PCRE][round] = 0;
    setting->expression = NULL;
}
#endif

static void run_round(struct setting *setting, int round)
{
    struct error error;
    struct tokenizer *tokenizer = NULL;
    struct arena *run = arena_create(1 << 20, 0);
    if (!run || tokenizer_open(setting->prepared, setting->image.size, run, &tokenizer,
                               &error) != OK)
        stop("cannot open the tokenizer");
    encode_all(setting, tokenizer, round, COLD);
    encode_all(setting, tokenizer, round, WARM);
    if (setting->expression)
        split_all(setting, round);
    arena_destroy(run);
}

static const char *expression_of(const char *pattern)
{
    static const char *const names[] = {"r50k",  "p50k",   "cl100k",
                                        "o200k", "llama3", "qwen"};
    for (int i = 0; i < SPLIT_PATTERN_COUNT; i++) {
        if (strcmp(pattern, names[i]) == 0)
            return split_expression((enum split_pattern)i);
    }
    stop("no such pattern");
    return NULL;
}

static void print_all(const struct setting *setting)
{
    static const char *const names[] = {"cold", "warm", "cold_wall", "warm_wall",
                                        "pcre2"};
    (void)printf("{\"bytes\": %zu, \"documents\": %zu, \"tokens\": %zu",
                 setting->text.size, setting->count, setting->tokens);
    for (enum measure i = COLD; i < MEASURES; i++) {
        if (i == PCRE && !setting->expression)
            continue;
        (void)printf(", \"%s\": [", names[i]);
        for (int round = 0; round < setting->rounds; round++)
            (void)printf("%s%.0f", round ? ", " : "", setting->us[i][round]);
        (void)printf("]");
    }
    (void)printf("}\n");
}

int main(int argc, char **argv)
{
    static struct setting setting;
    if (argc < 5)
        stop("usage: bench_encode FILE TEXT ROUNDS DOCUMENT [PATTERN]");
    setting.text = load_file(argv[2]);
    setting.rounds = (int)strtol(argv[3], NULL, 10);
    setting.is_paced = setting.rounds == 0;
    if (setting.is_paced)
        setting.rounds = 1;
    setting.expression = argc > 5 ? expression_of(argv[5]) : NULL;
    setting.scratch = arena_create(1 << 20, 0);
    if (setting.text.size == 0 || setting.rounds < 1 || setting.rounds > ROUNDS_MAX ||
        !setting.scratch)
        stop("no text, or a wrong number of rounds");
    cut_documents(&setting, strtoul(argv[4], NULL, 10));
    prepare(&setting, argv[1]);
    make_room(&setting);
    for (int round = 0; round < setting.rounds; round++)
        run_round(&setting, round);
    print_all(&setting);
    return 0;
}
