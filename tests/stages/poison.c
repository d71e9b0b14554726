/* poison.c - stage for tests: crashes, hangs or fails on records that ask for it */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/stage.h"

struct options {
    const char *column, *cure;
    int64_t delay_us;
};

static const struct option_spec option_table[] = {
    {.name = "column",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, column),
     .initial = "text",
     .help = "Column in which the markers stand"},
    {.name = "cure",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, cure),
     .initial = "",
     .help = "While there is a file of this name all markers are harmless"},
    {.name = "delay_us",
     .type = OPTION_INT,
     .offset = offsetof(struct options, delay_us),
     .initial = "0",
     .min = 0,
     .max = 1e9,
     .help = "Microseconds to sleep for each record"},
    OPTION_END};

static void sleep_us(int64_t us)
{
    struct timespec span = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    (void)nanosleep(&span, NULL);
}

static enum error_code crash(struct error *error)
{
    /* The address comes at run time, so that no compiler sees through it. */
    volatile uintptr_t nowhere = 16;
    *(volatile int *)nowhere = 1;
    return error_set(error, ERROR_FATAL, "survived a write to nowhere");
}

static enum error_code run_abort(struct error *error)
{
    (void)error;
    abort();
}

static enum error_code hang(struct error *error)
{
    for (volatile unsigned i = 0;; i++)
        if (i == UINT32_MAX)
            i = 0;
    return error_set(error, ERROR_FATAL, "ended an endless loop");
}

static enum error_code sleep_on(struct error *error)
{
    for (;;)
        (void)pause();
    return error_set(error, ERROR_FATAL, "ended an endless sleep");
}

static enum error_code eat(struct error *error)
{
    enum { BITE = 4 << 20 };
    (void)error;
    for (;;) {
        volatile unsigned char *bite = malloc(BITE);
        if (!bite)
            abort();
        for (size_t i = 0; i < BITE; i += 4096)
            bite[i] = 1;
    }
}

static enum error_code want_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "poison: no memory");
}

static enum error_code fail(struct error *error)
{
    return error_set(error, ERROR_RECORD, "poison: this record is bad");
}

static enum error_code act(const char *text, size_t size, struct error *error)
{
    static const struct {
        const char *word;
        enum error_code (*act)(struct error *error);
    } markers[] = {{"segv", crash},     {"abort", run_abort}, {"hang", hang},
                   {"sleep", sleep_on}, {"eat", eat},         {"memory", want_memory},
                   {"error", fail}};
    static const char head[] = "POISON:";
    const size_t head_size = sizeof head - 1;
    for (size_t i = 0; size - i >= head_size; i++) {
        if (memcmp(text + i, head, head_size) != 0)
            continue;
        const char *word = text + i + head_size;
        size_t left = size - i - head_size;
        for (size_t m = 0; m < sizeof markers / sizeof *markers; m++)
            if (left >= strlen(markers[m].word) &&
                memcmp(word, markers[m].word, strlen(markers[m].word)) == 0)
                return markers[m].act(error);
    }
    return OK;
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    const struct options *options = self->options;
    const struct column *column = batch_column(in, options->column);
    bool is_cured = options->cure && options->cure[0] && access(options->cure, F_OK) == 0;
    (void)output;
    if (!column || column->type != COLUMN_UTF8)
        return error_set(error, ERROR_FATAL, "poison needs a utf8 column");
    for (uint32_t row = 0; row < in->count; row++) {
        if (options->delay_us > 0)
            sleep_us(options->delay_us);
        enum error_code code = OK;
        if (!is_cured)
            code = act(column_row(column, row), (size_t)column_row_length(column, row),
                       error);
        if (code != OK)
            return code;
    }
    return OK;
}

const struct stage_type stage_poison = {.name = "poison",
                                        .summary = "Fail on purpose, for tests",
                                        .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE |
                                                  STAGE_ONE_TO_ONE,
                                        .options = option_table,
                                        .options_size = sizeof(struct options),
                                        .state_size = 1,
                                        .process = process};
