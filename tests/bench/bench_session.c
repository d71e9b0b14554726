/* bench_session.c - a model run by ONNX Runtime alone, on one thread
 *
 *     bench_session MODEL SHAPE ROUNDS
 *
 * SHAPE: 1,3,416,416. Prints CPU and wall time of a run in ms, the median. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "stages/kernels/onnx_runtime.h"
#include "stages/kernels/onnx_session.h"

enum { ROUNDS_MAX = 10000, OUTPUTS_MAX = 32 };

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void stop(const char *text)
{
    (void)fprintf(stderr, "bench_session: %s\n", text);
    exit(1);
}

/* Of the numbers 0 to 255, in the model's type. */
static void *make_numbers(enum onnx_type type, size_t count)
{
    float *floats = calloc(count, sizeof *floats);
    unsigned char *bytes = (unsigned char *)floats;
    for (size_t i = 0; floats && i < count; i++)
        if (type == ONNX_U8)
            bytes[i] = (unsigned char)(i * 37 % 256);
        else
            floats[i] = (float)(i * 37 % 256) / 255;
    return floats;
}

int main(int argc, char **argv)
{
    struct onnx_runtime *runtime;
    struct onnx_session *session;
    struct error error;
    int64_t cpu[ROUNDS_MAX], wall[ROUNDS_MAX];
    long rounds = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    if (rounds < 1 || rounds > ROUNDS_MAX)
        stop("usage: bench_session MODEL SHAPE ROUNDS");
    if (onnx_runtime_open(NULL, &runtime, &error) ||
        onnx_session_open(runtime, argv[1], &session, &error))
        stop(error.text);
    const struct onnx_port *port = onnx_session_input(session, 0);
    struct onnx_tensor input = {.name = port->name, .type = port->type};
    size_t count = 1;
    for (char *at = argv[2]; *at && input.rank < ONNX_RANK_MAX; at += *at == ',') {
        input.shape[input.rank] = strtol(at, &at, 10);
        count *= (size_t)input.shape[input.rank++];
    }
    input.data = make_numbers(port->type, count);
    input.size = count * onnx_type_size(port->type);
    struct onnx_tensor outputs[OUTPUTS_MAX] = {{0}};
    size_t outputs_count = onnx_session_output_count(session);
    for (size_t i = 0; i < outputs_count && i < OUTPUTS_MAX; i++)
        outputs[i].name = onnx_session_output(session, i)->name;
    for (long i = -1; i < rounds; i++) { /* the first one only warms up */
        int64_t cpu_us = clock_process_us(), wall_us = clock_now_us();
        if (onnx_session_run(session, &input, 1, outputs, outputs_count, &error))
            stop(error.text);
        cpu[i < 0 ? 0 : i] = clock_process_us() - cpu_us;
        wall[i < 0 ? 0 : i] = clock_now_us() - wall_us;
    }
    qsort(cpu, (size_t)rounds, sizeof *cpu, compare);
    qsort(wall, (size_t)rounds, sizeof *wall, compare);
    size_t middle = (size_t)rounds / 2;
    (void)printf("{\"cpu_ms\": %.4f, \"wall_ms\": %.4f}\n", (double)cpu[middle] / 1000,
                 (double)wall[middle] / 1000);
    onnx_session_close(session);
    onnx_runtime_close(runtime);
    return 0;
}
