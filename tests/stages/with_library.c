/* with_library.c - stage for tests: say to compute with what TEST_LIBRARY names */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/stage.h"

struct options {
    int64_t delay_ms;
};

static const struct option_spec option_table[] = {
    {.name = "delay_ms",
     .type = OPTION_INT,
     .offset = offsetof(struct options, delay_ms),
     .initial = "0",
     .min = 0,
     .max = 10000,
     .help = "What a record takes"},
    OPTION_END};

static enum error_code name_library(char name[STAGE_LIBRARY_SIZE], struct error *error)
{
    const char *wanted = getenv("TEST_LIBRARY");
    if (!wanted)
        return error_set(error, ERROR_CONFIG,
                         "the library of the tests is not installed");
    (void)snprintf(name, STAGE_LIBRARY_SIZE, "%s", wanted);
    return OK;
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    const struct options *options = self->options;
    int64_t delay_ms = options->delay_ms * in->count;
    struct timespec pause = {.tv_sec = delay_ms / 1000,
                             .tv_nsec = delay_ms % 1000 * 1000000};
    (void)output;
    (void)error;
    if (delay_ms > 0)
        (void)nanosleep(&pause, NULL);
    return OK;
}

const struct stage_type stage_with_library = {
    .name = "with_library",
    .summary = "Compute with a library that the tests name",
    .traits = STAGE_STATELESS | STAGE_ONE_TO_ONE,
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = 1,
    .library = name_library,
    .process = process};
