/* bench_train.c - CPU seconds of counting and training, and the file they make
 *
 *     bench_train KIND TEXT SIZE [OUTPUT [RECORD]]
 *
 * KIND: bytes (GPT-2's pattern), cl100k, characters, unigram, wordpiece. A record is at
 * least RECORD bytes (64 KiB) and ends at a line end. `wordpiece` cuts at white space and
 * ASCII punctuation alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "stages/kernels/splitter.h"
#include "stages/kernels/trainer.h"
#include "stages/kernels/trainer_file.h"
#include "tests/text_goldens.h"

enum { RECORD_SIZE = 65536 };

static const struct bench_kind {
    const char *name;
    enum trainer_kind kind;
    enum trainer_format format;
    enum piece_cut cut;
    enum split_pattern pattern;
} kinds[] = {
    {"bytes", TRAINER_BPE_BYTES, TRAINER_TOKENIZER_JSON, PIECES_PATTERN, SPLIT_R50K},
    {"cl100k", TRAINER_BPE_BYTES, TRAINER_TOKENIZER_JSON, PIECES_PATTERN, SPLIT_CL100K},
    {"characters", TRAINER_BPE_CHARACTERS, TRAINER_SENTENCEPIECE, PIECES_SENTENCEPIECE,
     0},
    {"unigram", TRAINER_UNIGRAM, TRAINER_SENTENCEPIECE, PIECES_SENTENCEPIECE, 0},
    {"wordpiece", TRAINER_WORDPIECE, TRAINER_TOKENIZER_JSON, PIECES_GIVEN, 0},
};

static struct error error;

static void check(enum error_code code)
{
    if (code != OK) {
        (void)fprintf(stderr, "bench_train: %s\n", error.text);
        exit(1);
    }
}

static bool is_alone(unsigned char byte)
{
    return byte > ' ' && byte < 0x7F && !(byte >= '0' && byte <= '9') &&
           !((byte | 32) >= 'a' && (byte | 32) <= 'z');
}

/* Words between white space; ASCII punctuation stands alone. */
static void add_words(struct piece_table *table, const unsigned char *text, size_t size)
{
    static struct piece items[RECORD_SIZE * 4];
    struct pieces pieces = {.text = text, .size = size, .items = items};
    for (uint32_t at = 0; at < size && pieces.count < RECORD_SIZE * 4;) {
        uint32_t end = at + 1;
        bool is_word = text[at] > ' ' && !is_alone(text[at]);
        while (is_word && end < size && text[end] > ' ' && !is_alone(text[end]))
            end++;
        if (text[at] > ' ')
            items[pieces.count++] = (struct piece){at, end};
        at = end;
    }
    check(piece_table_add_pieces(table, text, size, &pieces, &error));
}

static void count_all(struct piece_table *table, const struct bench_kind *kind,
                      const struct bytes *text, size_t record)
{
    for (size_t at = 0, end; at < text->size; at = end) {
        end = at + record - 1;
        const unsigned char *newline = NULL;
        if (end < text->size)
            newline = memchr(text->data + end, '\n', text->size - end);
        end = newline ? (size_t)(newline - text->data) + 1 : text->size;
        if (kind->cut == PIECES_GIVEN)
            add_words(table, text->data + at, end - at);
        else
            check(piece_table_add_text(table, text->data + at, end - at, &error));
    }
}

static void write_file(const struct trained *trained, const struct bench_kind *kind,
                       const char *path)
{
    struct bytes out = {0};
    check(trainer_file_write(trained, kind->format, &out, &error));
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(out.data, 1, out.size, file) != out.size || fclose(file) != 0) {
        (void)fprintf(stderr, "bench_train: cannot write %s\n", path);
        exit(1);
    }
    bytes_clear(&out);
}

static void train(const struct bench_kind *kind, const struct bytes *text, uint32_t size,
                  const char *output, size_t record)
{
    static const struct byte_range unknown = {(const unsigned char *)"[UNK]", 5};
    struct piece_table_options cut = {kind->cut, kind->pattern, UINT64_C(1) << 30};
    struct trainer_options options = {.kind = kind->kind, .vocabulary_size = size};
    if (kind->kind == TRAINER_WORDPIECE) {
        options.special = &unknown;
        options.special_count = 1;
    }
    struct piece_table *table = NULL;
    struct trained trained;
    struct arena *arena = arena_create(1 << 20, 0);
    int64_t begin_us = clock_process_us();
    check(piece_table_create(&cut, &table, &error));
    count_all(table, kind, text, record);
    int64_t counted_us = clock_process_us();
    check(trainer_train(table, &options, arena, &trained, &error));
    int64_t end_us = clock_process_us();
    struct piece_table_info info = piece_table_describe(table);
    printf("%s: %.1f MB, %llu entries at level %u, %u tokens, %u merges: count %.3f s, "
           "train %.3f s, in all %.3f s of CPU\n",
           kind->name, (double)text->size / 1e6, (unsigned long long)info.entries,
           info.level, trained.token_count, trained.merge_count,
           (double)(counted_us - begin_us) / 1e6, (double)(end_us - counted_us) / 1e6,
           (double)(end_us - begin_us) / 1e6);
    if (output)
        write_file(&trained, kind, output);
    arena_destroy(arena);
    piece_table_destroy(table);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc >= 4 && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, argv[1]) != 0)
            continue;
        struct bytes text = load_file(argv[2]);
        size_t record = argc > 5 ? strtoul(argv[5], NULL, 10) : RECORD_SIZE;
        train(&kinds[i], &text, (uint32_t)strtoul(argv[3], NULL, 10),
              argc > 4 ? argv[4] : NULL, record ? record : 1);
        bytes_clear(&text);
        return 0;
    }
    (void)fprintf(stderr, "usage: bench_train bytes|cl100k|characters|unigram|wordpiece "
                          "TEXT SIZE [OUTPUT [RECORD]]\n");
    return 2;
}
